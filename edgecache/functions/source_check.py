"""Check of a function's source before it ever runs: syntax, runtime, imports, size.

Developer Guide, "JavaScript runtime 1.0 features" and "2.0 features". Tokens are told apart as far
as words must be found that stand in no string, comment or regular expression.
"""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from types import ModuleType

from edgecache.config.functions import FunctionConfig
from edgecache.config.lambda_functions import LambdaFunctionConfig, handler_file
from edgecache.config.model import Behavior, Config, Distribution
from edgecache.config.problems import quoted
from edgecache.rules.semantics import SEMANTICS
from edgecache.rules.viewer.headers import named_headers

NODE = "node"
CHECK_S_MAX = 10.0  # for `node --check`, which takes a twentieth of a second
MODULES = ("crypto", "querystring", "buffer", "cloudfront")
_FIRST = ("crypto", "querystring")
_IMPORT = re.compile(
    r"^([ \t]*)import[ \t]+"
    r"(?:(?P<whole>[A-Za-z_$][\w$]*)|\*[ \t]*as[ \t]+(?P<all>[A-Za-z_$][\w$]*)"
    r"|(?P<names>\{[^{}\n]*\}))"
    r"[ \t]+from[ \t]*(?P<quote>['\"])(?P<module>[\w:./@-]*)(?P=quote)",
    re.MULTILINE,
)
_TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*|/\*.*?(?:\*/|\Z))"""
    r"""|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)"""
    r"""|(?P<word>[A-Za-z_$\u0080-\uffff][\w$]*)|(?P<number>\d[\w.]*)|(?P<mark>=>|\*\*|.)""",
    re.DOTALL,
)
_REGEX = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
_BEFORE_REGEX = {"return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "else"}
_SECOND = {"const", "let", "async", "await", "class"}  # of the second runtime only, or of none
_GENERATED = re.compile(r"\bcloudfront-(?:viewer|is|forwarded)-[a-z0-9-]+", re.IGNORECASE)
_SYNTAX_LINE = re.compile(r"(?P<what>[^\n]*)(?:\n\s+at <input>:(?P<line>\d+))?")


def module_imports(code: str) -> str:
    """The source with its `import` statements as calls of `require`, each on its own line."""

    def required(found: re.Match[str]) -> str:
        name = found["whole"] or found["all"] or found["names"].replace(" as ", ": ")
        return (
            f"{found[1]}const {name} = require({found['quote']}{found['module']}{found['quote']})"
        )

    return _IMPORT.sub(required, code)


def words(code: str) -> list[tuple[str, int]]:
    """The words of a source that stand in no string, comment or regular expression, by line."""
    found: list[tuple[str, int]] = []
    at, line, before = 0, 1, ""
    while at < len(code):
        token = _TOKEN.match(code, at)
        assert token is not None, "the last choice takes anything"
        text = token[0]
        if text == "/" and (before in _BEFORE_REGEX or before in "+([{,;=:!&|-?%<>~^*"):
            regex = _REGEX.match(code, at)
            text = text if regex is None else regex[0]
        if token["word"]:
            found.append((text, line))
        elif token["string"] and text[0] == "`":
            found.append(("`", line))
        elif token["mark"] == "=>":
            found.append(("=>", line))
        if not token["skip"]:
            before = text
        line += text.count("\n")
        at += len(text)
    return found


def runtime_problem(function: FunctionConfig) -> str:
    """What of the source its runtime does not know; empty: nothing is seen."""
    for found in _IMPORT.finditer(function.code):
        line = function.code.count("\n", 0, found.start()) + 1
        if function.runtime == "cloudfront-js-1.0":
            return f"line {line}: import is of cloudfront-js-2.0 (use require)"
        if found["module"] not in MODULES:
            return f'line {line}: there is no module "{found["module"]}"'
    if function.runtime == "cloudfront-js-1.0":
        for word, line in words(function.code):
            if word in _SECOND:
                return f"line {line}: {word} is of cloudfront-js-2.0"
    return ""


def syntax_problem(function: FunctionConfig, engine: ModuleType) -> str:
    """What is wrong with the source, with its line; empty: it can be made a function.

    It must be a script by itself, so that none of it stands outside of what it is wrapped in: it is
    read as one that ends before it begins.
    """
    problem = runtime_problem(function)
    if problem:
        return problem
    context = engine.Context()
    context.set_memory_limit(16 * 1024 * 1024)
    context.set_time_limit(1.0)
    try:
        context.eval('"use strict";throw 0;' + module_imports(function.code))
    except engine.JSException as error:
        text = str(error)
        if not text.startswith(("SyntaxError", "InternalError", "RangeError")):
            return ""
        found = _SYNTAX_LINE.match(text)
        assert found is not None, "the first line is anything"
        place = f"line {found['line']}: " if found["line"] else ""
        return place + found["what"]
    return ""


def source_problems(config: Config, engine: ModuleType) -> list[str]:
    """A line for each function whose source cannot be made a function."""
    found = []
    for index, function in enumerate(config.functions):
        problem = syntax_problem(function, engine)
        if problem:
            found.append(f"functions[{index}].code: {problem}")
    return found


def unseen_headers(config: Config) -> list[str]:
    """A line for each function that reads a header which CloudFront shows it nowhere it runs.

    Developer Guide, "Add CloudFront request headers": it adds those that the cache policy or the
    origin request policy of a behavior names.
    """
    code = {one.name: one.code for one in config.functions if one.stage == "LIVE"}
    found = []
    for index, site in enumerate(config.distributions):
        if not SEMANTICS[site.semantics].makes_viewer_headers:
            continue  # another's CloudFront may stand in front, and say them
        for where, behavior in _behaviors(site):
            named = named_headers(site, behavior) or frozenset()
            for number, one in enumerate(behavior.function_associations):
                read = {name.lower() for name in _GENERATED.findall(code.get(one.function, ""))}
                missing = sorted(name for name in read if name.encode() not in named)
                if missing:
                    found.append(
                        f"distributions[{index}].{where}.function_associations[{number}]: "
                        f"{quoted(one.function)} reads {', '.join(missing)}, which neither the "
                        "cache policy nor the origin request policy of the behavior names: it is "
                        "not there"
                    )
    return found


def _behaviors(site: Distribution) -> list[tuple[str, Behavior]]:
    every = [(f"behaviors[{number}]", one) for number, one in enumerate(site.behaviors)]
    return [("default_behavior", site.default_behavior), *every]


def handler_problem(function: LambdaFunctionConfig) -> str:
    """What is wrong with the file of a Lambda function's handler, with its line; empty: nothing.

    Python is parsed here; Node.js is asked, which must be there.
    """
    file = handler_file(function)
    if file is None:
        return f'"{function.handler}" names no file in {function.folder}'
    if function.runtime == "nodejs":
        return _node_problem(file)
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        why = error.msg if isinstance(error, SyntaxError) else str(error)
        return f"{file}{'' if line is None else f', line {line}'}: {why}"
    name = function.handler.rpartition(".")[2]
    if name not in _top_level_names(tree):
        return f'{file} has no "{name}"'
    return ""


def _top_level_names(tree: ast.Module) -> set[str]:
    """Names that a module may have: those bound anywhere outside of its functions and classes."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name.partition(".")[0])
    return found


def _node_problem(file: Path) -> str:
    command = [NODE, "--check", str(file)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=CHECK_S_MAX)
    if done.returncode == 0:
        return ""
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    place = next((line for line in lines if line.startswith(str(file))), str(file))
    why = next((line for line in lines if "Error" in line), "it cannot be parsed")
    return f"{place}: {why}"
