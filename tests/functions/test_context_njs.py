"""The same expressions in Debian's njs, of which CloudFront's runtime is a relative by all signs.

Law: where the two differ, a line of njs_differences.tsv says why; a line that is not needed goes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.functions.engine import context_of, ran
from tests.functions.njs_generated import expressions

NJS = shutil.which("njs")
FOLDER = Path(__file__).parent
EXPRESSIONS = FOLDER.joinpath("njs_expressions.txt").read_text().rstrip("\n").split("\n")[1:]
SEED, GENERATED = 22, 200  # eight seeds of 300 agreed on 2026-12-01
AT_ONCE = 40  # a run has its time, and each digest begins it again


def script(asked: list[str]) -> str:
    """A source whose `every()` gives, for each expression, its value or what it throws."""
    lines = [
        "const qs = require('querystring'), crypto = require('crypto');",
        "const every = () => [",
    ]
    lines += [
        f"(() => {{ try {{ const v = ({one}); return v === undefined ? 'undefined' : v; }}"
        f" catch (e) {{ if (!e || !e.name) throw e; return 'throws ' + e.name; }} }}),"
        for one in asked
    ]
    return "\n".join([*lines, "];"])


def by_njs(asked: list[str]) -> list[Any]:
    """Each in a process of its own: njs 0.7.9 takes a number for a string of the same source."""
    assert NJS is not None
    env = {**os.environ, "TZ": "UTC"}
    found = []
    for one in asked:
        code = f"'use strict';\n{script([one])}\nconsole.log(JSON.stringify(every()[0]()));"
        told = subprocess.run(
            [NJS, "-c", code], capture_output=True, text=True, env=env, timeout=20
        )
        assert (told.returncode, told.stderr) == (0, ""), (one, told.stdout[-500:])
        found.append("SyntaxError" if "SyntaxError" in told.stdout else json.loads(told.stdout))
    return found


def by_ours(asked: list[str]) -> list[Any]:
    found: list[Any] = []
    for start in range(0, len(asked), AT_ONCE):
        code = script(asked[start : start + AT_ONCE])
        output = ran(
            context_of(f"{code}\nfunction handler() {{ return every().map(one => one()); }}")
        )
        assert output.error == "", output.error
        found += output.result
    return found


def ledger() -> dict[str, str]:
    """Why an expression differs."""
    lines = FOLDER.joinpath("njs_differences.tsv").read_text().rstrip("\n").split("\n")[1:]
    return dict(line.split("\t", 1) for line in lines)


@pytest.mark.skipif(NJS is None, reason="njs is not installed")
def test_both_give_the_same_but_for_what_the_ledger_has() -> None:
    assert len({*EXPRESSIONS}) == len(EXPRESSIONS) > 300
    ours, theirs, known = by_ours(EXPRESSIONS), by_njs(EXPRESSIONS), ledger()
    every = zip(EXPRESSIONS, ours, theirs, strict=True)
    differ = {one: (own, other) for one, own, other in every if own != other}
    assert differ.keys() == known.keys(), {
        one: differ.get(one, "no difference") for one in differ.keys() ^ known.keys()
    }


@pytest.mark.skipif(NJS is None, reason="njs is not installed")
def test_both_give_the_same_for_what_is_generated() -> None:
    asked = [*dict.fromkeys(expressions(SEED, GENERATED))]
    assert len(asked) > GENERATED * 0.9
    every = zip(asked, by_ours(asked), by_njs(asked), strict=True)
    assert [(one, own, other) for one, own, other in every if own != other] == []
