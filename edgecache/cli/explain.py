"""Command explain: the report of control on a request, printed as a tree.

Law: control is asked; where it is away, the file alone says what it can.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from urllib.parse import urlencode

import msgspec
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from edgecache.cluster.client import ask_control
from edgecache.cluster.control_access import ControlAccess
from edgecache.config.model import Config
from edgecache.control.nodes.explain import OriginExplanation, PlaceExplanation
from edgecache.control.rest.explain import (
    ExplainQuery,
    ExplainReport,
    ExplainServices,
    explain_everywhere,
    viewer_request,
)
from edgecache.rules.explanation import (
    BehaviorMatch,
    Explanation,
    StoredExplanation,
    TierExplanation,
)
from edgecache.runtime.environment import wall_clock

ALONE = "from the file alone"
_PROTOCOLS = {"h2": ", by HTTP/2", "http2": ", by HTTP/2 or 1.1, as TLS agrees"}


class NotExplainedError(Exception):
    """Control refused to explain: the message says why."""


def explanation(
    config: Config | None, control: ControlAccess, wanted: ExplainQuery
) -> tuple[ExplainReport, str]:
    """The report on a request, and a note on its source, empty when control said it all.

    Without a `config` control alone can tell. ValueError when no viewer could make the request;
    NotExplainedError when control says no, or is away and there is nothing else to ask.
    """
    request = viewer_request(wanted, config or Config())
    why = "no [control] to ask"
    if control.url:
        try:
            return asyncio.run(_asked(control, wanted)), ""
        except OSError as error:
            why = f"control at {control.url}: {error}"
    if config is None:
        raise NotExplainedError(why)
    here = ExplainServices(wall_clock)
    return asyncio.run(explain_everywhere(request, config, here)), f"{why}: {ALONE}"


async def _asked(control: ControlAccess, wanted: ExplainQuery) -> ExplainReport:
    query = [("url", wanted.url), ("method", wanted.method)]
    query += [("header", line) for line in wanted.headers]
    query += [("http_version", wanted.http_version)] if wanted.http_version else []
    status, body = await ask_control(control, f"/explain?{urlencode(query)}")
    if status == 200:
        return msgspec.json.decode(body, type=ExplainReport)
    raise NotExplainedError(f"control at {control.url} answered {status}: {body[:500].decode()}")


def print_tree(told: ExplainReport, note: str) -> None:
    """Print a report as a tree, in a pipe by indents; `note` says where it comes from."""
    console = Console(soft_wrap=True, highlight=False)
    if console.is_terminal:
        console.print(tree_of(told))
    else:
        for line in plain_lines(tree_of(told)):
            console.file.write(f"{line}\n")
    if note:
        console.print(Text(note))


def plain_lines(tree: Tree, depth: int = 0) -> Iterator[str]:
    """A tree for where no terminal is: whole lines, each indented below what it belongs to."""
    yield f"{'  ' * depth}{tree.label}"
    for branch in tree.children:
        yield from plain_lines(branch, depth + 1)


def tree_of(told: ExplainReport) -> Tree:
    """The tree of a report."""
    rules = told.rules
    by = "" if rules.http_version == "1.1" else f" HTTP/{rules.http_version}"
    tree = Tree(Text(f"{rules.method} {rules.url}{by}", "bold"))
    if rules.unavailable:
        _list(_add(tree, "its distribution is not served: 503"), rules.unavailable)
        return tree
    if rules.choice is None:
        _add(tree, "no distribution answers to this host: 403")
        return tree
    _add_choice(tree, rules.choice)
    if rules.unsupported:
        _list(_add(tree, "asked for and not done"), rules.unsupported)
    _add(tree, _admission(rules))
    for line in rules.viewer_rules:
        _add(tree, f"rule {line}")
    _add_key(tree, rules)
    _add_origin(tree, told.origin)
    for place in told.places:
        _add_place(tree, place)
    if rules.invalidated_by:
        _list(_add(tree, "invalidation paths that remove it"), rules.invalidated_by)
    return tree


def _add_choice(tree: Tree, choice: BehaviorMatch) -> None:
    _add(tree, f"distribution {choice.distribution}: its name {choice.name}, {choice.semantics}")
    if choice.deployment:
        _add(tree, f"continuous deployment: {choice.deployment}")
    branch = _add(tree, f"behavior {choice.behavior}: {choice.pattern}")
    _add(branch, f"path {choice.path}, matched as {choice.matched_as}")
    if choice.passed_over:
        _add(branch, f"not matched before it: {' '.join(choice.passed_over)}")


def _admission(rules: Explanation) -> str:
    admission = rules.admission
    if not admission.status:
        return "admitted (the viewer's country is not known here)"
    where = f" to {admission.location}" if admission.location else ""
    return f"not admitted: {admission.status} {admission.why}{where}"


def _add_key(tree: Tree, rules: Explanation) -> None:
    if rules.bypass:
        _add(tree, f"no key: nothing is looked up or stored ({rules.bypass})")
        return
    branch = _add(tree, f"key {rules.key}")
    for part in rules.key_parts:
        values = ["(absent)" if value is None else repr(value) for value in part.values]
        _add(branch, f"{part.name}: {' '.join(values) or '(nothing)'}")
    _add(tree, "collapses with others of this key" if rules.collapses else "does not collapse")
    never = f" ({rules.never_compressed})" if rules.never_compressed else ""
    _add(tree, f"compresses: {rules.compresses or 'no'}{never}")


def _add_origin(tree: Tree, origin: OriginExplanation | None) -> None:
    if origin is None:
        return
    by = _PROTOCOLS.get(origin.protocol, "")
    branch = _add(tree, f"origin {origin.origin} at {origin.address} would be sent on a miss{by}")
    _add(branch, f"{origin.method} {origin.target}")
    _list(branch, (f"{name}: {value}" for name, value in origin.fields))
    if origin.then:
        codes = ", ".join(map(str, origin.fails_over_on))
        _add(branch, f"group {origin.group}: then {', '.join(origin.then)} on {codes} or no answer")


def _add_place(tree: Tree, place: PlaceExplanation) -> None:
    branch = _add(tree, f"{place.role} {place.name} at {place.address}")
    if place.workers > 1:
        _add(branch, f"{len(place.nodes)} of {place.workers} workers, each with its own memory")
    if place.asked_first_by:
        _add(branch, f"the object lives here for {', '.join(place.asked_first_by)}")
    if place.problem:
        _add(branch, place.problem)
    for node in place.nodes:
        _add_node(branch, node)


def _add_node(tree: Tree, node: TierExplanation) -> None:
    why = f" ({node.why})" if node.why else ""
    branch = _add(tree, f"{node.node}: {node.now}{why}")
    for line in node.functions:
        _add(branch, f"function {line}")
    for entry in node.stored:
        _add_entry(branch, entry)


def _add_entry(tree: Tree, entry: StoredExplanation) -> None:
    which = "stored" if entry.answers else "stored for other request headers"
    part = f", {entry.part}" if entry.part else ""
    coding = f", {entry.content_encoding}" if entry.content_encoding else ""
    said = f"{which}: {entry.status}, {entry.body_bytes} bytes{part}{coding}"
    branch = _add(tree, f"{said}, takes {entry.size_bytes}")
    _add(branch, f"age {entry.age_s:g} s, ttl {entry.ttl_s:g} s, left {entry.ttl_left_s:g} s")
    for step in entry.ttl:
        _add(branch, f"ttl {step.ttl_s:g} s by {step.rule}: {step.because}")
    if entry.etag or entry.last_modified:
        _add(branch, " ".join(filter(None, (entry.etag, entry.last_modified))))
    for name, value in entry.variant:
        _add(branch, f"chosen by {name}: {'(absent)' if value is None else value}")


def _add(tree: Tree, line: str) -> Tree:
    """Values come from viewers and origins: never markup, and no control bytes."""
    return tree.add(Text("".join(char if char.isprintable() else "�" for char in line)))


def _list(tree: Tree, lines: Iterable[str]) -> None:
    for line in lines:
        _add(tree, line)
