"""Lambda functions that a template's behaviors name, as a configuration has them.

Law: a function whose code is in no template is taken over only where somebody says in which folder
it is. CloudFormation's template reference, AWS::Lambda::Function and AWS::Lambda::Version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgecache.config.problems import Problem, quoted
from edgecache.control.migration.api_document import UNKNOWN
from edgecache.control.migration.resource_documents import LambdaDocument, ResourceDocuments

ARNS = "arn:aws:lambda:us-east-1:000000000000:function:"  # Lambda@Edge is of this region alone
RUNTIMES = ("nodejs", "python")
_WANTED = ("FunctionName", "Runtime", "Handler", "Timeout", "MemorySize")
VERSION = 1  # a template makes one version of a function
Evaluate = Callable[[Any, str], Any]


def version_arn(
    id: str,
    resources: Mapping[str, Any],
    evaluate: Evaluate,
    attributes: Mapping[str, str],
    documents: ResourceDocuments,
) -> str | None:
    """The ARN of the version `id`, whose function is added to `documents`; None: it names none."""
    named = (resources[id].get("Properties") or {}).get("FunctionName")
    function = _logical_id(named)
    if function not in resources or resources[function].get("Type") != "AWS::Lambda::Function":
        return None
    properties = resources[function].get("Properties") or {}
    given = {
        name: evaluate(properties[name], f"{function}.{name}")
        for name in _WANTED
        if name in properties
    }
    inline = properties.get("Code")
    if isinstance(inline, dict) and "ZipFile" in inline:
        given["ZipFile"] = evaluate(inline["ZipFile"], f"{function}.Code.ZipFile")
    name = given.get("FunctionName", function)
    if not isinstance(name, str):
        return None
    if name not in documents.lambda_functions:
        documents.lambda_functions[name] = _document(name, function, given, attributes, documents)
    return f"{ARNS}{name}:{VERSION}"


def _logical_id(named: Any) -> str:
    """The logical id in `Ref` or `Fn::GetAtt`; empty: neither of them."""
    if isinstance(named, dict) and isinstance(named.get("Ref"), str):
        return str(named["Ref"])
    attribute = named.get("Fn::GetAtt") if isinstance(named, dict) else None
    return str(attribute[0]) if isinstance(attribute, list) and attribute else ""


def _document(
    name: str,
    place: str,
    given: Mapping[str, Any],
    attributes: Mapping[str, str],
    documents: ResourceDocuments,
) -> LambdaDocument:
    def wrong(member: str, message: str) -> None:
        documents.problems.append(Problem(f"{place}.{member}", message))

    def number(member: str, default: int) -> int:
        value = given.get(member, default)
        text = str(value)
        if text.isascii() and text.isdecimal() and len(text) < 7:
            return int(text)
        if value is not UNKNOWN:
            wrong(member, f"{quoted(text)} is no number")
        return default

    wanted = str(given.get("Runtime", ""))
    runtime = next((one for one in RUNTIMES if wanted.startswith(one)), "")
    if not runtime:
        wrong("Runtime", f"{quoted(wanted)} is neither Node.js nor Python")
    code = given.get("ZipFile", "")
    folder = attributes.get(f"{place}.Code", "")
    if folder and not Path(folder).is_dir():
        wrong("Code", f"{quoted(folder)} is no folder")
    if not folder and not (isinstance(code, str) and code):
        wrong("Code", f"its code is in S3: give its folder by --value {place}.Code=FOLDER")
    return LambdaDocument(
        name=name,
        runtime=runtime,
        handler=str(given.get("Handler", "")),
        timeout_s=number("Timeout", 3),
        memory_mb=number("MemorySize", 128),
        place=place,
        code="" if folder or not isinstance(code, str) else code,
        folder=str(Path(folder).absolute()) if folder else "",
    )
