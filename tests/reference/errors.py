"""docs/reference/errors.md: statuses of our own pages, their reasons, and the API's error codes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from edgecache.control.cloudfront.error_mapping import CODES
from edgecache.control.cloudfront.model import COMMON_FAULTS, api
from edgecache.http.message import BadReason
from edgecache.rules.private.key_ring import MESSAGES
from edgecache.rules.reasons import FORWARDED, MissReason, StoreReason
from edgecache.rules.viewer.access import DETAILS, RefusalReason
from edgecache.server.error_response import FAULT_DETAILS
from edgecache.upstream.faults import Fault, UpstreamError

_Reason = TypeVar("_Reason", bound=StrEnum)
PACKAGE = Path(__file__).resolve().parents[2] / "edgecache"
REFUSED = {
    RefusalReason.HTTPS_ONLY: "The viewer protocol policy takes HTTPS alone.",
    RefusalReason.METHOD: "The behavior's allowed methods have no such method.",
    RefusalReason.BODY_TOO_LARGE: "A body beyond CloudFront's quota.",
    RefusalReason.COUNTRY: "The geo restriction does not serve the viewer's country.",
}
UNREADABLE = {
    BadReason.REQUEST_LINE: "The request line is none.",
    BadReason.VERSION: "The version of HTTP is none that is spoken.",
    BadReason.TARGET: "The target is no path, no URL of a host, or not what the method has.",
    BadReason.URL_TOO_LONG: "The URL is beyond `url_bytes_max`.",
    BadReason.STATUS_LINE: "The status line of a response is none.",
    BadReason.HEAD_TOO_BIG: "The head is beyond `head_bytes_max`; 494 under CloudFront's rules.",
    BadReason.FIELDS_TOO_MANY: "More header fields than `fields_max`.",
    BadReason.HOST: "Host is missing, there twice, or no host.",
    BadReason.LENGTH: "Content-Length is no number, there twice, or not the body's.",
    BadReason.CODING: "Transfer-Encoding beside Content-Length, or not ending in chunked.",
    BadReason.CODING_UNKNOWN: "A transfer coding that is not known.",
    BadReason.EXPECT: "An expectation other than 100-continue.",
    BadReason.CHUNK: "A chunk's line is none.",
    BadReason.CHUNK_OVERHEAD: "More framing than body.",
    BadReason.TRAILER: "Trailers that cannot be read, or too many.",
    BadReason.TRUNCATED: "The message ended before its end.",
}
NOT_STORED = {
    StoreReason.METHOD: "Answers to this method are never stored.",
    StoreReason.STATUS: "Answers of this status are not stored.",
    StoreReason.NO_STORE: "`Cache-Control: no-store`.",
    StoreReason.PRIVATE: "`Cache-Control: private`.",
    StoreReason.NO_CACHE: "`no-cache` where nothing may be validated.",
    StoreReason.AUTHORIZATION: "The request had `Authorization`, and nothing has it shared.",
    StoreReason.SET_COOKIE: "It sets a cookie.",
    StoreReason.TOO_LARGE: "It is larger than may be stored.",
    StoreReason.TRUNCATED: "It ended before its end.",
}
FAILED = {
    Fault.CONNECT_TIMEOUT: "No connection within `connection_timeout_s`.",
    Fault.HEAD_TOO_BIG: "Its head is beyond `response_head_bytes_max` or `response_fields_max`.",
}
HEADING = """# Errors

What we answer ourselves, and why. Pages are CloudFront's: a sentence, and the request's id, which
the access log has, too. This page is made of the code by `python -m tests.reference`; a test
compares.

## Statuses viewers get

The **reason** is the word in the access log and, where something was asked upstream, in
`Cache-Status`. Custom error responses of a distribution may replace statuses that CloudFront lets
them replace.

| status | reason | the page says |
|---|---|---|
"""


def page() -> str:
    return HEADING + "\n".join((*map(_row, sorted(_refusals())), *_rest()))


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _rest() -> Iterator[str]:
    yield from ("", "## What cannot be read", "", "| status | reason | |", "|---|---|---|")
    unreadable = _statuses("BadMessage")
    for bad in BadReason:
        status = ", ".join(sorted(unreadable.get(bad.name, {"400"})))
        yield _row((status, f"`{bad}`", meaning(bad, UNREADABLE)))
    yield from ("", "## Why a request is not let in", "", "| status | reason | detailed result | |")
    yield "|---|---|---|---|"
    admission = _statuses("AccessRefused")
    for one in RefusalReason:
        detail = f"`{DETAILS.get(one, 'Error')}`"
        yield _row(
            (", ".join(sorted(admission[one.name])), f"`{one}`", detail, meaning(one, REFUSED))
        )
    yield from ("", "## Signatures", "", "403, as XML.", "", "| code | message |", "|---|---|")
    for fault, text in MESSAGES.items():
        yield _row((f"`{fault}`", text))
    yield from ("", "## When the upstream fails", "", "| status | reason | detailed result | |")
    yield "|---|---|---|---|"
    for failure in Fault:
        detail = FAULT_DETAILS.get(failure, "OriginCommError")
        status = str(UpstreamError(failure, "").status)
        yield _row((status, f"`{failure}`", f"`{detail}`", meaning(failure, FAILED)))
    yield from _reasons()
    yield from _codes()


def _reasons() -> Iterator[str]:
    yield from ("", "## Why it was not answered from the store", "", "| reason | `fwd=` | |")
    yield "|---|---|---|"
    for why in MissReason:
        yield _row((f"`{why}`", f"`{FORWARDED[why]}`", meaning(why, {})))
    yield from ("", "## Why it was not stored", "", "| reason | |", "|---|---|")
    for kept in StoreReason:
        yield _row((f"`{kept}`", meaning(kept, NOT_STORED)))


def _codes() -> Iterator[str]:
    yield from ("", "## Codes of CloudFront's API", "")
    yield "A refusal has CloudFront's code and a sentence that names the member. Codes given:"
    yield from ("", "| code | status |", "|---|---|")
    for code in sorted(api_codes()):
        yield _row((f"`{code}`", str(api().statuses[code])))
    yield ""


def api_codes() -> set[str]:
    """Codes the API may answer with: of configurations, of every service, and named in the code."""
    found = {code for rows in CODES.values() for _, _, code in rows} | {*COMMON_FAULTS}
    for path in (PACKAGE / "control").rglob("*.py"):
        for word in re.findall(r'"([A-Z][A-Za-z0-9]+)"', path.read_text()):
            if word in api().statuses:
                found.add(word)
    return found


def _statuses(kind: str) -> dict[str, set[str]]:
    """The statuses with which each reason is told, where the code makes a refusal of a kind."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if f"{kind}(" in text else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == kind:
                words = " ".join(map(ast.unparse, node.args))
                statuses = re.findall(r"\b[45][0-9]{2}\b", words) or ["400"]
                for why in re.findall(r"Reason\.([A-Z_]+)", words):
                    found.setdefault(why, set()).update(statuses)
    return found


def meaning(member: _Reason, others: Mapping[_Reason, str]) -> str:
    """What a member's comment says, or the page; KeyError: neither."""
    comment = _comments(type(member)).get(member.name)
    return others[member] if comment is None else f"{comment[:1].upper()}{comment[1:]}."


def _comments(kind: type[StrEnum]) -> dict[str, str]:
    source = (PACKAGE.parent / f"{kind.__module__.replace('.', '/')}.py").read_text()
    body = source.partition(f"class {kind.__name__}(")[2].partition("\n\n\n")[0]
    return dict(re.findall(r"^    ([A-Z0-9_]+) = \"[^\"]*\"  # (.*)$", body, re.MULTILINE))


def _refusals() -> Iterator[tuple[str, str, str]]:
    """Pages that are written out in the code: status, reason, sentence."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        if "Refusal(" in text:
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "Refusal":
                    yield from _written_out(node)


def _written_out(call: ast.Call) -> Iterator[tuple[str, str, str]]:
    words = [str(one.value) for one in call.args[:2] if isinstance(one, ast.Constant)]
    reason = next((one.value for one in call.keywords if one.arg == "reason"), None)
    if len(words) == 2 and words[1]:
        named = f"`{reason.value!s}`" if isinstance(reason, ast.Constant) else ""
        yield words[0], named, words[1]
