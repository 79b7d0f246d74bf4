"""A DistributionConfig for a test: of a dict, a file that AWS's tools wrote, or of keywords.

Law: what comes out is whole by CloudFront's own model, and everything that is not is told at once,
each with its path. Lists may be written as lists; their Quantity is counted here.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecache.config.managed import CACHE_POLICIES
from edgecache.control.cloudfront.model import api
from edgecache.testing.scripted_origin import ScriptedOrigin

Document = dict[str, Any]
OriginAddress = ScriptedOrigin | str
"""An origin of the test, or (over real processes) `http://HOST:PORT` of a server that is there."""

FILE_BYTES_MAX = 16 * 1024 * 1024  # as configuration files
SHOWN_MAX = 20  # problems of one document that are told
_WRAPPERS = ("DistributionConfigWithTags", "Distribution", "DistributionConfig")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ADDRESS = re.compile(r"https?://[^/@?#\s]+/?")
_TYPES = {"string": str, "boolean": bool, "integer": int, "long": int}


class RefusedDocumentError(ValueError):
    """A document that cannot be used, with every problem in it."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.problems = problems
        count = len(problems)
        shown = [f"  {line}" for line in problems[:SHOWN_MAX]]
        if count > SHOWN_MAX:
            shown.append(f"  and {count - SHOWN_MAX} more")
        super().__init__("\n".join([f"{source}: {count} problem{'s'[: count > 1]}", *shown]))


@dataclass(frozen=True, slots=True)
class DistributionInput:
    """A whole DistributionConfig, and where each host name of its origins leads."""

    config: Document
    addresses: Mapping[str, OriginAddress]

    def with_ids(self, ids: Mapping[str, str]) -> DistributionInput:
        """The same with other ids in the places of these, wherever they stand."""
        return replace(self, config=_with_ids(self.config, ids)) if ids else self


def _with_ids(value: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _with_ids(one, ids) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_ids(one, ids) for one in value]
    return ids.get(value, value) if isinstance(value, str) else value


def distribution_input(
    document: Mapping[str, Any] | str | Path | None,
    origins: Mapping[str, OriginAddress] | ScriptedOrigin | None,
    members: Mapping[str, Any],
    reference: str,
) -> DistributionInput:
    """What a test's `distribution(...)` means. RefusedDocumentError.

    Without a document one is made for `origins`, cached by Managed-CachingOptimized; `members` of a
    DistributionConfig count before those of the document. `reference` is the CallerReference of a
    document that has none.
    """
    source = str(document) if isinstance(document, str | Path) else "distribution"
    config = _document(document, source)
    problems: list[str] = []
    config |= members
    if document is None:
        config = _made_for(origins, config)
    config.setdefault("CallerReference", reference)
    config.setdefault("Comment", "")
    config.setdefault("Enabled", True)
    shape = api().operations["CreateDistribution"].takes.members["DistributionConfig"]
    whole = whole_value(shape, config, "", problems)
    addresses: dict[str, OriginAddress] = {}
    if not problems:
        problems += _unscripted(whole)
        addresses = _addresses(whole, origins, problems)
    if problems:
        raise RefusedDocumentError(source, problems)
    return DistributionInput(whole, addresses)


def resource_config(operation: str, member: str, config: Mapping[str, Any]) -> Document:
    """The configuration of another resource, whole by the operation that creates it."""
    problems: list[str] = []
    shape = api().operations[operation].takes.members[member]
    whole: Document = whole_value(shape, dict(config), "", problems)
    if problems:
        raise RefusedDocumentError(member, problems)
    return whole


def _document(document: Mapping[str, Any] | str | Path | None, source: str) -> Document:
    found: Any = {} if document is None else document
    if isinstance(document, str | Path):
        found = _read(Path(document), source)
    if not isinstance(found, Mapping):
        raise RefusedDocumentError(source, [f"{type(found).__name__} is no DistributionConfig"])
    if "Resources" in found:
        raise RefusedDocumentError(source, [_of_template(found["Resources"])])
    for name in _WRAPPERS:
        if isinstance(found.get(name), Mapping):
            found = found[name]
    return dict(found)


def _read(path: Path, source: str) -> Any:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise RefusedDocumentError(source, [f"larger than {FILE_BYTES_MAX} bytes"])
        return json.loads(data)
    except OSError as error:
        raise RefusedDocumentError(source, [(error.strerror or str(error)).lower()]) from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, RefusedDocumentError):
            raise
        raise RefusedDocumentError(source, [f"not JSON: {error}"]) from None


def _of_template(resources: Any) -> str:
    named = resources if isinstance(resources, Mapping) else {}
    kind = "AWS::CloudFront::Distribution"
    found = [
        name for name, one in named.items() if isinstance(one, Mapping) and one.get("Type") == kind
    ]
    which = f" (with {', '.join(map(str, found))})" if found else ""
    return (
        f"a CloudFormation template{which} is for edgecache.template(...): give this the"
        " DistributionConfig, as `aws cloudfront get-distribution-config` prints it"
    )


def _made_for(
    origins: Mapping[str, OriginAddress] | ScriptedOrigin | None, members: Document
) -> Document:
    """A configuration for these origins, the first of them the default.

    Behaviors among `members` need not say what they have in common with this one.
    """
    named = {"origin": origins} if isinstance(origins, ScriptedOrigin) else dict(origins or {})
    items = []
    for index, name in enumerate(named):
        label = name.lower() if _LABEL.fullmatch(name.lower()) else f"origin-{index}"
        reached = {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}
        items.append({"Id": name, "DomainName": f"{label}.test", "CustomOriginConfig": reached})
    common = {"TargetOriginId": next(iter(named), ""), "ViewerProtocolPolicy": "allow-all"}
    policy = next(one.id for one in CACHE_POLICIES if one.name.endswith("CachingOptimized"))

    def behavior(given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        cached = {} if "ForwardedValues" in given else {"CachePolicyId": policy}
        return {**common, **cached, **given}

    made = {"Origins": items, **members}
    made["DefaultCacheBehavior"] = behavior(members.get("DefaultCacheBehavior", {}))
    others = members.get("CacheBehaviors")
    if isinstance(others, list | tuple):
        made["CacheBehaviors"] = [behavior(one) for one in others]
    return made


def whole_value(shape: Any, value: Any, where: str, problems: list[str]) -> Any:
    """`value` as botocore's shape has it; `problems` gets what it cannot be, by path."""
    if shape.type_name == "structure":
        return _whole_structure(shape, value, where, problems)
    if shape.type_name == "list":
        if not isinstance(value, list | tuple):
            problems.append(f"{where}: expected a list, got {_shown(value)}")
            return []
        return [
            whole_value(shape.member, item, f"{where}[{index}]", problems)
            for index, item in enumerate(value)
        ]
    wanted = _TYPES.get(shape.type_name)
    wrong = wanted is not None and not isinstance(value, wanted)
    if wrong or (wanted is int and isinstance(value, bool)):
        problems.append(f"{where}: expected {shape.type_name}, got {_shown(value)}")
    elif getattr(shape, "enum", None) and value.lower() not in map(str.lower, shape.enum):
        problems.append(f"{where}: {value!r} is not one of {', '.join(shape.enum)}")
    return value


def _whole_structure(shape: Any, value: Any, where: str, problems: list[str]) -> Document:
    members = shape.members
    is_list = {"Quantity", "Items"} <= members.keys()
    if is_list and isinstance(value, list | tuple):
        value = {"Items": list(value)} | ({"Enabled": bool(value)} if "Enabled" in members else {})
    if not isinstance(value, Mapping):
        problems.append(f"{where or 'document'}: expected an object, got {_shown(value)}")
        return {}
    given = {name: one for name, one in value.items() if one is not None}
    whole: Document = {}
    for name, one in given.items():
        place = f"{where}.{name}" if where else str(name)
        if name not in members:
            problems.append(f"{place}: no such member{_meant(str(name), members)}")
        else:
            whole[name] = whole_value(members[name], one, place, problems)
    if is_list:
        _count(whole, where, problems)
    missing = [name for name in shape.required_members if name not in given and name not in whole]
    problems += [f"{where}.{name}: missing" if where else f"{name}: missing" for name in missing]
    return whole


def _count(whole: Document, where: str, problems: list[str]) -> None:
    count = len(whole.get("Items", ()))
    if whole.setdefault("Quantity", count) != count:
        problems.append(f"{where}.Quantity: {whole['Quantity']}, but there are {count} items")


def _meant(name: str, members: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, members, 1)
    return f" (did you mean {close[0]}?)" if close else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _behaviors(config: Document) -> Iterator[tuple[str, Document]]:
    yield "DefaultCacheBehavior", config["DefaultCacheBehavior"]
    for index, one in enumerate(config.get("CacheBehaviors", {}).get("Items", ())):
        yield f"CacheBehaviors.Items[{index}]", one


def _unscripted(config: Document) -> Iterator[str]:
    """What origins of a test cannot do."""
    for where, behavior in _behaviors(config):
        if behavior.get("GrpcConfig", {}).get("Enabled"):
            yield f"{where}.GrpcConfig: gRPC wants origins that speak HTTP/2, and these do not"


def _addresses(
    config: Document,
    origins: Mapping[str, OriginAddress] | ScriptedOrigin | None,
    problems: list[str],
) -> dict[str, OriginAddress]:
    """Where each host name of the document's origins leads."""
    names = {one["Id"]: one["DomainName"].lower() for one in config["Origins"].get("Items", ())}
    given: Mapping[str, OriginAddress]
    if isinstance(origins, ScriptedOrigin):
        if len(names) != 1:
            problems.append(f"origins: the document has {len(names)}, give a dict by their ids")
        given = dict.fromkeys(names, origins)
    else:
        given = origins or {}
    known = ", ".join(map(repr, names)) or "none"
    problems += [
        f"origins[{id!r}]: not in the document ({known})" for id in given if id not in names
    ]
    addresses: dict[str, OriginAddress] = {}
    for id, host in names.items():
        if id not in given:
            problems.append(f"origins[{id!r}]: missing: which origin stands for {host}?")
            continue
        problems += _address_problems(id, given[id])
        if addresses.setdefault(host, given[id]) is not given[id]:
            problems.append(f"origins[{id!r}]: {host} leads to another origin already")
    return addresses


def _address_problems(id: str, address: object) -> list[str]:
    is_url = isinstance(address, str) and _ADDRESS.fullmatch(address)
    if isinstance(address, ScriptedOrigin) or is_url:
        return []
    return [f"origins[{id!r}]: {_shown(address)} is neither an origin nor http://HOST:PORT"]
