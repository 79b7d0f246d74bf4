"""Resources to be taken over: documents of CloudFront's API by kind, and what is in their way.

Law: a set with one problem is written nowhere. Every problem is found before that is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from edgecache.config.aws.origins import OAI_PREFIX
from edgecache.config.problems import Problem
from edgecache.control.state.resources import ResourceKind

Document = dict[str, Any]
RESOURCES_MAX = 5_000  # of one import: beyond what any account may have of all kinds
SHOWN_MAX = 50  # problems that are told


class MigrationError(Exception):
    """What cannot be taken over: every problem, with the place of each."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.problems = problems
        shown = problems[:SHOWN_MAX]
        if len(problems) > SHOWN_MAX:
            shown = [*shown, f"and {len(problems) - SHOWN_MAX} more"]
        what = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        head = f"{source}: nothing is imported for {what}"
        super().__init__("\n  ".join([f"{head}:", *shown]))


@dataclass(frozen=True, slots=True)
class ResourceDocument:
    """One resource. `config` is its configuration as the API creates it.

    `id` is what others name it by: of a function and of a store that is in an ARN, the name and
    the UUID; a continuous deployment policy names its staging distribution by the domain name that
    is made of its id here (`default_domain_name`). `place` is where it stands in what is imported:
    its logical id, address or id. The config of a function has Name, FunctionConfig and
    FunctionCode (text); that of a store Name,
    Comment and Items (a dict).
    """

    kind: ResourceKind
    id: str
    config: Document
    place: str

    @property
    def name(self) -> str:
        return str(self.config.get("Name", ""))


@dataclass(frozen=True, slots=True)
class LambdaDocument:
    """A version of a Lambda function: its code as text, inline, or else the folder it is in."""

    name: str
    runtime: str  # nodejs or python
    handler: str
    timeout_s: int
    memory_mb: int
    place: str
    code: str = ""
    folder: str = ""


@dataclass(slots=True)
class ResourceDocuments:
    """All that is taken over of one source, in the order it stands there."""

    source: str
    resources: list[ResourceDocument] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    left_out: list[Problem] = field(default_factory=list)
    lambda_functions: dict[str, LambdaDocument] = field(default_factory=dict)  # by name

    def of(self, kind: ResourceKind) -> Iterator[ResourceDocument]:
        """Those of a kind."""
        return (one for one in self.resources if one.kind == kind)

    def raise_problems(self) -> None:
        """MigrationError when there is any."""
        if not self.problems and not any(self.of(ResourceKind.DISTRIBUTION)):
            self.problems.append(Problem("distributions", "there is none to import"))
        if len(self.resources) > RESOURCES_MAX:
            more = f"{len(self.resources)} are more than {RESOURCES_MAX}"
            self.problems.append(Problem("resources", more))
        if self.problems:
            raise MigrationError(self.source, [*map(str, self.problems)])


def behaviors_of(config: Document) -> list[Document]:
    """The default behavior of a DistributionConfig and the others, as far as they are there."""
    listed = (config.get("CacheBehaviors") or {}).get("Items") or []
    return [one for one in (config.get("DefaultCacheBehavior"), *listed) if isinstance(one, dict)]


_ID_MEMBERS = {
    "CachePolicyId",
    "OriginRequestPolicyId",
    "ResponseHeadersPolicyId",
    "OriginAccessControlId",
    "OriginAccessIdentity",
    "KeyValueStoreARN",
    "ContinuousDeploymentPolicyId",
}

_ID_LISTS = {"TrustedKeyGroups", "StagingDistributionDnsNames"}


def with_ids(one: ResourceDocument, ids: dict[str, str]) -> Document:
    """The configuration with other ids where it names resources, and nowhere else.

    `ids`: those of the documents to others; of a store, to its ARN; domain names likewise.
    """
    if one.kind == ResourceKind.KEY_GROUP:
        return {**one.config, "Items": [ids.get(key, key) for key in one.config["Items"]]}
    renamed = _renamed(one.config, ids)
    assert isinstance(renamed, dict)
    return renamed


def _renamed(value: Any, ids: dict[str, str], member: str = "") -> Any:
    if isinstance(value, dict):
        if member in _ID_LISTS and "Items" in value:
            return {**value, "Items": [ids.get(one, one) for one in value["Items"]]}
        return {name: _renamed(one, ids, name) for name, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, ids) for one in value]
    if not isinstance(value, str) or member not in _ID_MEMBERS:
        return value
    if member == "KeyValueStoreARN":
        return ids.get(value.rpartition("/")[2], value)
    prefix = OAI_PREFIX if member == "OriginAccessIdentity" else ""
    id = value.removeprefix(prefix)
    return prefix + ids[id] if id in ids else value
