"""Source files of functions, read at load."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.config.functions import FunctionConfig, read_code_files
from edgecache.config.problems import Problems

CODE = "function handler(event) { return event.request }"


def read(folder: Path, function: FunctionConfig) -> tuple[FunctionConfig, list[str]]:
    problems = Problems()
    (found,) = read_code_files((function,), folder, problems)
    return found, [str(problem) for problem in problems.found]


def test_the_code_of_a_file_travels_and_its_path_does_not(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text(CODE)
    found, problems = read(tmp_path, FunctionConfig(name="a", code_file="a.js"))
    assert found == FunctionConfig(name="a", code=CODE)
    assert not problems


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (FunctionConfig(name="a", code_file="b.js"), '"b.js": no such file or directory'),
        (FunctionConfig(name="a", code_file="."), '".": is a directory'),
        (FunctionConfig(name="a", code_file="latin.js"), '"latin.js" is not UTF-8 text'),
        (FunctionConfig(name="a", code_file="a.js", code=CODE), "not used with code"),
        (FunctionConfig(name="a", code_file="\0"), "embedded null byte"),
    ],
)
def test_a_file_that_cannot_be_read_is_said(
    tmp_path: Path, function: FunctionConfig, problem: str
) -> None:
    (tmp_path / "latin.js").write_bytes(b"// caf\xe9")
    _, problems = read(tmp_path, function)
    (told,) = problems
    assert told.startswith("functions[0].code_file: ")
    assert problem in told
