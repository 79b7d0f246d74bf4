"""Sources before they run: words of the wrong runtime, imports, syntax with its line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgecache.config.functions import FunctionAssociation, FunctionConfig
from edgecache.config.lambda_functions import LambdaFunctionConfig, LambdaRuntime
from edgecache.config.model import (
    Behavior,
    CachePolicy,
    Config,
    Distribution,
    HeaderSelection,
    Origin,
    SemanticsName,
)
from edgecache.functions.context import engine
from edgecache.functions.source_check import (
    handler_problem,
    module_imports,
    runtime_problem,
    source_problems,
    unseen_headers,
    words,
)
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


def test_every_source_is_checked_with_its_place() -> None:
    good = FunctionConfig(name="a", code="function handler(e) { return e.request; }")
    bad = FunctionConfig(name="b", code="function handler(e) {\n  let a = ;\n}")
    told = source_problems(Config(functions=(good, bad)), engine())
    assert told == ["functions[1].code: line 2: SyntaxError: unexpected token in expression: ';'"]


READS = "e => e.request.headers['CloudFront-Viewer-Country'].value + 'cloudfront-x'"


@pytest.mark.parametrize(
    ("named", "semantics", "told"),
    [
        ("CloudFront-Viewer-Country", "cloudfront", False),
        ("accept", "cloudfront", True),
        ("accept", "rfc9111", False),  # another's CloudFront may stand in front
    ],
)
def test_a_header_that_no_policy_names_is_seen_by_no_function(
    named: str, semantics: SemanticsName, told: bool
) -> None:
    behavior = Behavior(
        origin="o",
        cache_policy=CachePolicy(headers=HeaderSelection(behavior="whitelist", items=(named,))),
        function_associations=(FunctionAssociation(event_type="viewer-request", function="a"),),
    )
    origins = (Origin(id="o", domain_name="h"),)
    site = Distribution(id="E1", origins=origins, default_behavior=behavior, semantics=semantics)
    config = Config(functions=(FunctionConfig(name="a", code=READS),), distributions=(site,))
    expected = (
        'distributions[0].default_behavior.function_associations[0]: "a" reads '
        "cloudfront-viewer-country, which neither the cache policy nor the origin request policy "
        "of the behavior names: it is not there"
    )
    assert unseen_headers(config) == ([expected] if told else [])


@pytest.mark.parametrize(
    ("file", "code", "handler", "problem"),
    [
        ("app.py", "def handler(event, context): ...\n", "app.handler", ""),
        ("app.py", "from elsewhere import handler\n", "app.handler", ""),
        ("app.py", "def other(): ...\n", "app.handler", 'app.py has no "handler"'),
        ("app.py", "def handler(:\n", "app.handler", "app.py, line 1: "),
        ("app.py", "\0", "app.handler", "app.py: "),
        ("app.py", "", "other.handler", '"other.handler" names no file in '),
        ("app.js", "exports.handler = async () => {};", "app.handler", ""),
        ("app.js", "exports.handler = async () => {", "app.handler", "app.js:1: SyntaxError"),
    ],
)
def test_the_file_of_a_lambda_functions_handler(
    tmp_path: Path, file: str, code: str, handler: str, problem: str
) -> None:
    runtime: LambdaRuntime = "nodejs" if file.endswith(".js") else "python"
    if runtime == "nodejs" and shutil.which("node") is None:
        pytest.skip("there is no node here")
    tmp_path.joinpath(file).write_text(code)
    function = LambdaFunctionConfig(
        name="f", runtime=runtime, folder=str(tmp_path), handler=handler
    )
    told = handler_problem(function)
    assert problem in told if problem else told == ""
