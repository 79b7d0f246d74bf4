"""References of a configuration file: policies by name or id, CloudFront's JSON by file.

`[[cache_policies]]` and its sisters define policies for several behaviors; `{ file = "x.json" }`
stands for a policy or a distribution as CloudFront's command line prints it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from edgecache.config.aws.access import (
    read_key_group,
    read_origin_access_control,
    read_origin_access_identity,
    read_public_key,
)
from edgecache.config.aws.continuous_deployment import read_continuous_deployment_policy
from edgecache.config.aws.defaults import fill_ttls
from edgecache.config.aws.document import DocumentError
from edgecache.config.aws.forwarded_values import legacy_policies
from edgecache.config.aws.policies import (
    Policies,
    policy_id,
    read_cache_policy,
    read_origin_request_policy,
)
from edgecache.config.aws.read import read_distribution_config
from edgecache.config.aws.response_headers import read_response_headers_policy
from edgecache.config.checks.policies import check_cache_policy, check_origin_request_policy
from edgecache.config.checks.response_headers import check_response_headers_policy
from edgecache.config.decode import Decoder, Shorthand, shown
from edgecache.config.document_positions import DOCUMENT_BYTES_MAX
from edgecache.config.managed import (
    CACHE_POLICIES,
    ORIGIN_REQUEST_POLICIES,
    RESPONSE_HEADERS_POLICIES,
    by_name,
)
from edgecache.config.model import (
    Behavior,
    CachePolicy,
    ContinuousDeploymentPolicy,
    Distribution,
    ForwardedValues,
    KeyGroup,
    Model,
    Origin,
    OriginAccessControl,
    OriginAccessIdentity,
    OriginRequestPolicy,
    PublicKey,
    ResponseHeadersPolicy,
)
from edgecache.config.problems import Problems, listed, quoted, suggestion

_NOT_BESIDE_A_FILE = ("behaviors", "default_behavior", "origin_groups", "kept")


@dataclass(frozen=True, slots=True)
class PolicyKind:
    """A kind of policy: where a file defines it, what it is called, how it is read and checked."""

    model: type[Model]
    place: str
    called: str
    read: Callable[[dict[str, Any]], Model]
    check: Callable[[Any, str, Problems], None]
    managed: Mapping[str, Model]


KINDS: Final = (
    PolicyKind(
        CachePolicy,
        "cache_policies",
        "a cache policy",
        read_cache_policy,
        check_cache_policy,
        by_name(CACHE_POLICIES),
    ),
    PolicyKind(
        OriginRequestPolicy,
        "origin_request_policies",
        "an origin request policy",
        read_origin_request_policy,
        check_origin_request_policy,
        by_name(ORIGIN_REQUEST_POLICIES),
    ),
    PolicyKind(
        ResponseHeadersPolicy,
        "response_headers_policies",
        "a response headers policy",
        read_response_headers_policy,
        check_response_headers_policy,
        by_name(RESPONSE_HEADERS_POLICIES),
    ),
)


def _no_check(_found: Any, _where: str, _problems: Problems) -> None: ...


def _kind_with_own_place(model: type[Model], read: Callable[[dict[str, Any]], Model]) -> PolicyKind:
    """A kind that has its own place in the model, and is only read here."""
    return PolicyKind(model, "", "", read, _no_check, {})


PLACED_KINDS: Final = (
    _kind_with_own_place(PublicKey, read_public_key),
    _kind_with_own_place(KeyGroup, read_key_group),
    _kind_with_own_place(OriginAccessControl, read_origin_access_control),
    _kind_with_own_place(OriginAccessIdentity, read_origin_access_identity),
    _kind_with_own_place(ContinuousDeploymentPolicy, read_continuous_deployment_policy),
)


@dataclass(slots=True)
class NamedPolicies:
    """Everything one file can name: `own` by kind and spelling; paths are relative to `folder`."""

    folder: Path
    problems: Problems
    own: dict[type[Model], dict[str, Any]] = field(default_factory=dict)

    def define(self, table: dict[str, Any]) -> dict[str, Any]:
        """Take a file's own policies in; the rest of the table."""
        rest = dict(table)
        for kind in KINDS:
            self.own[kind.model] = self._defined(kind, rest.pop(kind.place, []))
        return rest

    def _defined(self, kind: PolicyKind, value: object) -> dict[str, Any]:
        """The policies a file defines for several behaviors, by name and id, each checked once."""
        problems = self.problems
        if not isinstance(value, list):
            problems.add(kind.place, f"expected a list, got {shown(value)}")
            return {}
        decoder = Decoder(problems, self.shorthand(named=False))
        policies: dict[str, Any] = {}
        for index, item in enumerate(value):
            where = f"{kind.place}[{index}]"
            policy: Any = decoder.read(kind.model, item, where)
            kind.check(policy, where, problems)
            if not policy.name and not policy.id:
                problems.add(f"{where}.name", "missing")
            for spelling in filter(None, {policy.name, policy.id}):
                if spelling in policies:
                    problems.add(f"{where}.name", f"{quoted(spelling)} is defined twice")
                policies[spelling] = policy
        return policies

    def shorthand(self, *, named: bool = True) -> dict[type[Model], Shorthand]:
        """Rewriters of values before they are decoded, for each class that may be named."""
        readers: dict[type[Model], Shorthand] = {
            kind.model: self._policy_reader(kind, named=named) for kind in KINDS
        }
        readers |= {kind.model: self._policy_reader(kind, named=False) for kind in PLACED_KINDS}
        return readers | {
            Distribution: self._distribution,
            Behavior: self._behavior,
            ForwardedValues: _fill_ttls,
        }

    def _policy_reader(self, kind: PolicyKind, *, named: bool) -> Shorthand:
        def read(value: object, where: str, problems: Problems) -> object:
            if named and isinstance(value, str):
                return self._named(kind, value, where)
            if isinstance(value, dict) and "file" in value:
                return self._policy_of_file(kind, value, where)
            return _fill_ttls(value, where, problems) if kind.model is CachePolicy else value

        return read

    def _named(self, kind: PolicyKind, value: str, where: str) -> object:
        known = {**kind.managed, **self.own.get(kind.model, {})}
        policy = known.get(value)
        if policy is None:
            self.problems.add(
                where, f"{quoted(value)} is not {kind.called}{suggestion(value, known)}"
            )
        self.problems.suppress(where)
        return policy or Decoder(Problems()).read(kind.model, {}, "")

    def _policy_of_file(self, kind: PolicyKind, table: dict[str, Any], where: str) -> object:
        rest = {key: value for key, value in table.items() if key != "file"}
        blank = Decoder(Problems()).read(kind.model, {}, "")
        document = self._document(table["file"], where)
        try:
            policy = kind.read(document) if document is not None else blank
        except DocumentError as error:
            self._report(error, table["file"], where)
            policy = blank
        return Decoder(self.problems).overlay(policy, rest, where)

    def _distribution(self, value: object, where: str, problems: Problems) -> object:
        if not isinstance(value, dict) or "file" not in value:
            return value
        rest = {key: item for key, item in value.items() if key not in ("file", "origins")}
        for name in _NOT_BESIDE_A_FILE:
            if rest.pop(name, None) is not None:
                problems.add(f"{where}.{name}", "stands in the file")
        document = self._document(value["file"], where)
        if document is None:
            problems.suppress(where)
            return _BLANK
        try:
            distribution = read_distribution_config(document, policies=self._policies())
        except DocumentError as error:
            self._report(error, value["file"], where)
            problems.suppress(where)
            return _BLANK
        distribution = Decoder(problems).overlay(distribution, rest, where)
        if not distribution.id:
            problems.add(f"{where}.id", "missing, and the file has none")
        origins = value.get("origins", [])
        return replace(
            distribution, origins=self._origins(distribution, origins, f"{where}.origins")
        )

    def _origins(self, distribution: Distribution, tables: object, where: str) -> Any:
        """The document's origins, each with what stands beside the file for its id."""
        origins: dict[str, Origin] = {origin.id: origin for origin in distribution.origins}
        if not isinstance(tables, list):
            self.problems.add(where, f"expected a list, got {shown(tables)}")
            return distribution.origins
        for index, table in enumerate(tables):
            place = f"{where}[{index}]"
            name = table.get("id") if isinstance(table, dict) else None
            if name not in origins:
                known = listed(origins)
                self.problems.add(f"{place}.id", f"not an origin of the file (known: {known})")
                continue
            origins[name] = Decoder(self.problems).overlay(origins[name], table, place)
        return tuple(origins.values())

    def _policies(self) -> Policies:
        """The file's own policies, as a document names them."""
        by_id = [
            {policy_id(policy): policy for policy in self.own.get(kind.model, {}).values()}
            for kind in KINDS
        ]
        return Policies(*by_id)

    def _behavior(self, value: object, where: str, problems: Problems) -> object:
        """A behavior with forwarded_values gets the policies of these, and may name no others."""
        if not isinstance(value, dict) or "forwarded_values" not in value:
            return value
        table = dict(value)
        for name in ("cache_policy", "origin_request_policy"):
            if table.pop(name, None) is not None:
                problems.add(f"{where}.{name}", "not used with forwarded_values")
        behavior = Decoder(problems, self.shorthand() | {Behavior: _unchanged}).read(
            Behavior, table, where
        )
        if behavior.forwarded_values is None:
            return behavior
        cache, sent = legacy_policies(behavior.forwarded_values)
        return replace(behavior, cache_policy=cache, origin_request_policy=sent)

    def _document(self, name: object, where: str) -> dict[str, Any] | None:
        place = f"{where}.file"
        if not isinstance(name, str) or not name or "\0" in name:
            self.problems.add(place, f"{shown(name)} is not a path")
            return None
        try:
            with (self.folder / name).open("rb") as opened:
                data = opened.read(DOCUMENT_BYTES_MAX + 1)
            if len(data) > DOCUMENT_BYTES_MAX:
                raise ValueError(f"larger than {DOCUMENT_BYTES_MAX} bytes")
            document = json.loads(data)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            self.problems.add(place, f"{quoted(name)}: {reason}")
            return None
        except json.JSONDecodeError as error:
            at = f"{name}:{error.lineno}:{error.colno}"
            self.problems.add(place, f"{quoted(name)} is not JSON: {error.msg}", position=at)
            return None
        except (ValueError, RecursionError) as error:
            self.problems.add(place, f"{quoted(name)} is not JSON: {error}")
            return None
        if isinstance(document, dict):
            return document
        self.problems.add(place, f"{quoted(name)} holds no object")
        return None

    def _report(self, error: DocumentError, name: str, where: str) -> None:
        """Every problem of a document, with its place in the file that was named."""
        for problem in error.problems:
            self.problems.add(f"{where}({name}).{problem.where}", problem.message)


_BLANK: Final = Distribution(id="unread", origins=(), default_behavior=Behavior(origin=""))


def _unchanged(value: object, where: str, problems: Problems) -> object:
    return value


def _fill_ttls(value: object, where: str, problems: Problems) -> object:
    """TTLs left out give way to those written (API reference, CachePolicyConfig).

    DefaultTTL is at least MinTTL and MaxTTL at least DefaultTTL; ours is also at most MaxTTL,
    where CloudFront refuses the policy.
    """
    if not isinstance(value, dict):
        return value
    names = {"ttl_s_min": "MinTTL", "ttl_s_default": "DefaultTTL", "ttl_s_max": "MaxTTL"}
    given = {aws: value[name] for name, aws in names.items() if name in value}
    if not all(isinstance(ttl, int) and not isinstance(ttl, bool) for ttl in given.values()):
        return value
    filled = fill_ttls(given)
    return value | {name: filled[aws] for name, aws in names.items()}
