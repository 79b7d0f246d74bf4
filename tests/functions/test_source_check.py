"""Sources before they run: words of the wrong runtime, imports, syntax with its line."""

from __future__ import annotations

import pytest

from edgecache.config.functions import FunctionConfig
from edgecache.functions.source_check import module_imports, runtime_problem, words
from tests.functions.engine import FIRST, SECOND


@pytest.mark.parametrize(
    ("code", "rewritten"),
    [
        ("import cf from 'cloudfront';\nx", "const cf = require('cloudfront');\nx"),
        ('  import * as q from "querystring"', '  const q = require("querystring")'),
        ("import { a, b as c } from 'crypto';", "const { a, b: c } = require('crypto');"),
        ("const text = 'import cf from';", "const text = 'import cf from';"),
        ("// import cf from 'cloudfront'", "// import cf from 'cloudfront'"),
    ],
)
def test_imports_become_calls_on_their_own_lines(code: str, rewritten: str) -> None:
    assert module_imports(code) == rewritten


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("var a = 'const'; let b", [("var", 1), ("a", 1), ("let", 1), ("b", 1)]),
        ("// const\n/* let\n */ x", [("x", 3)]),
        ("a / const / b", [("a", 1), ("const", 1), ("b", 1)]),
        ("r = /const[/]let/g; x", [("r", 1), ("x", 1)]),
        ("return /const/", [("return", 1)]),
        ("a = `const`", [("a", 1), ("`", 1)]),
        ("'it\\'s const' + \"a\\\"let\"", []),
        ("'", []),
        ("/* const", []),
    ],
)
def test_words_are_found_outside_of_strings_comments_and_expressions(
    code: str, found: list[tuple[str, int]]
) -> None:
    assert words(code) == found


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("var a;\nconst b = 1;", "line 2: const is of cloudfront-js-2.0"),
        ("let a;", "line 1: let is"),
        ("async function handler(e) {}", "line 1: async is"),
        ("import cf from 'cloudfront';", "line 1: import is"),
        ("var a = 'const'; // let\nfunction handler(e) { return /let/; }", ""),
        ("function handler(e) { return e.request.uri.split('/').map(x => `${x}`); }", ""),
    ],
)
def test_the_first_runtime_does_not_know_the_words_of_the_second(code: str, problem: str) -> None:
    found = runtime_problem(FunctionConfig(name="f", code=code, runtime=FIRST))
    assert found.startswith(problem)
    assert bool(found) == bool(problem)
    if "import" not in code:
        assert runtime_problem(FunctionConfig(name="f", code=code, runtime=SECOND)) == ""
