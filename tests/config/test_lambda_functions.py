"""Folders of Lambda functions' code: where they are, what is in them, and that a change is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgecache.config import lambda_functions
from edgecache.config.lambda_functions import (
    LambdaFunctionConfig,
    handler_file,
    label_of,
    read_code_folders,
)
from edgecache.config.problems import Problems


def made(**changes: Any) -> LambdaFunctionConfig:
    fields = {"name": "f", "runtime": "python", "folder": "code", "handler": "app.handler"}
    return LambdaFunctionConfig(**{**fields, **changes})


def read(folder: Path, function: LambdaFunctionConfig) -> tuple[LambdaFunctionConfig, list[str]]:
    problems = Problems()
    (one,) = read_code_folders((function,), folder, problems)
    return one, [str(problem) for problem in problems.found]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    code = tmp_path / "code"
    code.joinpath("src").mkdir(parents=True)
    code.joinpath("app.py").write_text("def handler(event, context): ...\n")
    code.joinpath("src", "index.mjs").write_text("export const handler = 1;\n")
    return tmp_path


def test_a_folder_is_relative_to_the_file_and_a_change_in_it_is_another_function(
    folder: Path,
) -> None:
    first, problems = read(folder, made())
    assert problems == []
    assert first.folder == str(folder / "code")
    assert read(folder, made())[0] == first
    cache = folder / "code" / "__pycache__"
    cache.mkdir()
    cache.joinpath("app.pyc").write_bytes(b"x")
    assert read(folder, made())[0] == first
    folder.joinpath("code", "app.py").write_text("def handler(event, context): pass\n")
    assert read(folder, made())[0].code_sha256 != first.code_sha256


@pytest.mark.parametrize(
    ("changes", "file"),
    [
        ({}, "app.py"),
        ({"runtime": "nodejs", "handler": "src/index.handler"}, "src/index.mjs"),
        ({"runtime": "nodejs"}, None),
        ({"handler": "other.handler"}, None),
        ({"handler": "handler"}, None),
        ({"handler": "../code/app.handler"}, None),
    ],
)
def test_the_file_of_a_handler(folder: Path, changes: dict[str, Any], file: str | None) -> None:
    found = handler_file(made(**{"folder": str(folder / "code"), **changes}))
    assert found == (None if file is None else folder / "code" / file)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"folder": "none"}, "lambda_functions[0].folder: no such folder"),
        ({"folder": ""}, 'lambda_functions[0].folder: "" is not a path'),
        ({"folder": "a\0b"}, "is not a path"),
        ({"handler": "other.handler"}, 'handler: "other.handler" names no file'),
        ({"code_sha256": "x"}, "code_sha256: is what is found in the folder"),
    ],
)
def test_what_cannot_be_read(folder: Path, changes: dict[str, Any], problem: str) -> None:
    _, problems = read(folder, made(**changes))
    assert any(problem in told for told in problems)


def test_more_than_lambda_takes_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_functions, "FILES_MAX", 1)
    _, (told,) = read(folder, made())
    assert "more than 250 MiB, or 1 files" in told


def test_the_name_and_version_of_an_arn() -> None:
    assert label_of("arn:aws:lambda:us-east-1:123456789012:function:a-b_c:12") == "a-b_c:12"
    for arn in ("", "a:1", "arn:aws:lambda:us-east-1:123456789012:function:a:0"):
        assert label_of(arn) == ""
