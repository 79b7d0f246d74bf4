"""Composition of the file's and the API's resources into one checked configuration.

Law: what is published has passed every check, as a whole; what has not changes nothing. What was
there before may be left out instead: its distributions answer 503, and stop no other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as copied
from functools import partial
from operator import attrgetter
from typing import Any, Generic, TypeVar

from msgspec.structs import replace

from edgecache.config.aws.access import (
    read_key_group,
    read_origin_access_control,
    read_origin_access_identity,
    read_public_key,
)
from edgecache.config.aws.continuous_deployment import read_continuous_deployment_policy
from edgecache.config.aws.document import DocumentError
from edgecache.config.aws.health_checks import read_health_check
from edgecache.config.aws.policies import (
    Policies,
    policies_of,
    read_cache_policy,
    read_origin_request_policy,
)
from edgecache.config.aws.read import read_distribution_config
from edgecache.config.aws.response_headers import read_response_headers_policy
from edgecache.config.checks.access import check_access_named
from edgecache.config.checks.configuration import check, check_bounds
from edgecache.config.checks.policies import check_cache_policy, check_origin_request_policy
from edgecache.config.checks.response_headers import check_response_headers_policy
from edgecache.config.health_checks import HealthCheck
from edgecache.config.model import (
    CachePolicy,
    Config,
    Distribution,
    DnsSettings,
    KeyValueStoreConfig,
    Model,
    OriginRequestPolicy,
    Release,
    ResponseHeadersPolicy,
)
from edgecache.config.problems import Problem, ProblemCode, Problems
from edgecache.config.refused_distributions import refused_members, unavailable_site
from edgecache.control.cloudfront.origin_reach import origin_reach
from edgecache.control.nodes.staleness_probe import probe_distribution
from edgecache.control.state.declared import realtime_log_of
from edgecache.control.state.distribution_cache import DistributionCache
from edgecache.control.state.functions import live_function
from edgecache.control.state.resources import (
    RefusedResource,
    Resource,
    ResourceKind,
    ResourceSource,
    default_domain_name,
    refused_dependencies,
    unreadable_site,
)

T = TypeVar("T")
N = TypeVar("N", bound=Model)
P = TypeVar("P", CachePolicy, OriginRequestPolicy, ResponseHeadersPolicy)

PLACES = {
    ResourceKind.DISTRIBUTION: "distributions",
    ResourceKind.PUBLIC_KEY: "public_keys",
    ResourceKind.KEY_GROUP: "key_groups",
    ResourceKind.ACCESS_CONTROL: "origin_access_controls",
    ResourceKind.ACCESS_IDENTITY: "origin_access_identities",
    ResourceKind.KEY_VALUE_STORE: "key_value_stores",
    ResourceKind.FUNCTION: "functions",
    ResourceKind.REALTIME_LOG: "realtime_logs",
    ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY: "continuous_deployment_policies",
    ResourceKind.HEALTH_CHECK: "dns.health_checks",
}
_BY_NAME = (ResourceKind.FUNCTION, ResourceKind.REALTIME_LOG)  # whose name is their id
"""Where a kind stands in a configuration; policies stand in the behaviors that name them."""

_PLACE = re.compile(r"((?:dns\.)?\w+)\[(\d+)\]\.?(.*)")


@dataclass(frozen=True, slots=True)
class CompositionProblem:
    """A problem of what the API made: whose it is, and where in it.

    `where` is a path in CloudFront's document when `in_document`, else in our model. `api_code` is
    the API's own, where it is known already.
    """

    kind: ResourceKind
    id: str
    where: str
    message: str
    code: ProblemCode = ProblemCode.INVALID
    in_document: bool = False
    api_code: str = ""
    source: ResourceSource = ResourceSource.API

    def __str__(self) -> str:
        made = " (made over the API)" if self.source is ResourceSource.API else ""
        return f"{self.kind} {self.id}{made}: {self.reason}"

    @property
    def reason(self) -> str:
        """What is wrong, and where in the resource."""
        return f"{self.where}: {self.message}"


class NotComposedError(Exception):
    """The parts do not go together: `troubles` of the API's, `problems` of the file's."""

    def __init__(
        self, troubles: Sequence[CompositionProblem], problems: Sequence[Problem] = ()
    ) -> None:
        self.troubles = list(troubles)
        self.problems = list(problems)
        super().__init__("; ".join(self.lines))

    @property
    def lines(self) -> list[str]:
        """One line for each."""
        return [str(one) for one in (*self.troubles, *self.problems)]


@dataclass(frozen=True, slots=True)
class ApiResources:
    """Resources the API has made, by kind, and the distributions of the file it has adopted."""

    resources: Mapping[ResourceKind, Sequence[Resource]] = field(default_factory=dict)
    adopted: frozenset[str] = frozenset()
    releases: Mapping[str, tuple[Release, ...]] = field(default_factory=dict)
    refused: tuple[RefusedResource, ...] = ()  # what is left out of `resources`

    def of(self, kind: ResourceKind) -> Sequence[Resource]:
        return self.resources.get(kind, ())

    def without(self, troubles: Sequence[CompositionProblem]) -> ApiResources:
        """The resources without those that have troubles."""
        reasons = _reasons(troubles)
        refused = [
            RefusedResource(kind, one.id, (*why, *refused_dependencies(one, self.refused)))
            for (kind, id), why in reasons.items()
            for one in self.of(kind)
            if one.id == id
        ]
        every = self.resources.items()
        kept = {kind: [x for x in rows if (kind, x.id) not in reasons] for kind, rows in every}
        return copied(self, resources=kept, refused=(*self.refused, *refused))


def _reasons(troubles: Sequence[CompositionProblem]) -> dict[tuple[ResourceKind, str], list[str]]:
    """Reasons by resource."""
    reasons: dict[tuple[ResourceKind, str], list[str]] = {}
    for one in troubles:
        reasons.setdefault((one.kind, one.id), []).append(one.reason)
    return reasons


@dataclass(frozen=True, slots=True)
class Composition:
    """A checked configuration, and the API's resources that are left out of it."""

    config: Config
    refused: tuple[RefusedResource, ...] = ()
    policies: Policies = field(default_factory=Policies)  # that documents of the API may name


MayOmit = Callable[[ResourceKind, str], bool]
"""Whether what the API made may be left out, with the distributions that use it."""


MayIgnore = Callable[[str], bool]
"""Whether a distribution may be served without what it asks for and is refused, by its id."""


def _ignore_none(_id: str) -> bool:
    return False


def _omit_none(_kind: ResourceKind, _id: str) -> bool:
    return False


def compose(
    file: Config,
    made: ApiResources,
    may_lack: MayOmit = _omit_none,
    known: DistributionCache | None = None,
    may_ignore: MayIgnore = _ignore_none,
) -> Composition:
    """One configuration. NotComposedError when it would not pass the checks.

    `known` spares reading and checking anew what has not changed since the last one.
    `may_ignore` says which distributions are served without what is refused and stops nothing.

    What may be left out and has troubles of its own is not in it; a distribution that has, or names
    what is left out, is among the `unavailable`.
    """
    known = known or DistributionCache()
    troubles: list[CompositionProblem] = []
    config = _merge(file, made, troubles, known)
    problems: list[Problem] = []
    if not troubles:
        troubles, problems = check_merged(config, made, known, may_ignore)
    while troubles or problems:
        rest = [one for one in troubles if not (_is_own_fault(one) and may_lack(one.kind, one.id))]
        if rest or problems:
            raise NotComposedError(rest, problems)
        shared = [one for one in troubles if one.kind is not ResourceKind.DISTRIBUTION]
        if shared:
            return compose(file, made.without(shared), may_lack, known, may_ignore)
        config = _without_failed(config, made, troubles)
        troubles, problems = check_merged(config, made, known, may_ignore)
    known.passed(config.distributions)
    return Composition(config, made.refused, known.policies)


def _merge(
    file: Config,
    made: ApiResources,
    troubles: list[CompositionProblem],
    known: DistributionCache,
) -> Config:
    """The file's and the API's beside each other; `troubles` gets what cannot be read."""
    policies = _policies(file, made, troubles)
    kept = [one for one in file.distributions if one.id not in made.adopted]
    private = file.control is not None and file.control.allow_private_origins
    known.begin(policies, private=private)
    sites = _read_each(
        made.of(ResourceKind.DISTRIBUTION),
        lambda one: known.read(one, partial(read_distribution, policies, private)),
        troubles,
    )
    hidden = (probe_distribution(file.control),) if file.control and file.control.canary_s else ()
    distributions = tuple(
        known.finished(one, made.releases.get(one.id, one.releases), with_name_and_releases)
        for one in (*kept, *sites, *hidden)
    )
    keys = _read_each(
        made.of(ResourceKind.PUBLIC_KEY), lambda one: _read(read_public_key, one), troubles
    )
    groups = _read_each(
        made.of(ResourceKind.KEY_GROUP), lambda one: _read(read_key_group, one), troubles
    )
    rows = made.of(ResourceKind.ACCESS_CONTROL)
    controls = _read_each(rows, _with_id(read_origin_access_control), troubles)
    rows = made.of(ResourceKind.ACCESS_IDENTITY)
    identities = _read_each(rows, _with_id(read_origin_access_identity), troubles)
    rows = made.of(ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY)
    deployments = _read_each(rows, _with_id(read_continuous_deployment_policy), troubles)
    return replace(
        _with_edge_code(file, made),
        dns=_with_health_checks(file, made, troubles),
        distributions=distributions,
        continuous_deployment_policies=(*file.continuous_deployment_policies, *deployments),
        public_keys=(*file.public_keys, *keys),
        key_groups=(*file.key_groups, *groups),
        origin_access_controls=(*file.origin_access_controls, *controls),
        origin_access_identities=(*file.origin_access_identities, *identities),
    )


def _with_edge_code(file: Config, made: ApiResources) -> Config:
    """The file with the live functions that the API made, its key value stores and logs."""
    functions = filter(None, map(live_function, made.of(ResourceKind.FUNCTION)))
    stores = (
        KeyValueStoreConfig(id=one.id, name=one.name, comment=one.config.get("Comment", ""))
        for one in made.of(ResourceKind.KEY_VALUE_STORE)
    )
    return replace(
        file,
        functions=(*file.functions, *functions),
        key_value_stores=(*file.key_value_stores, *stores),
        realtime_logs=(
            *file.realtime_logs,
            *map(realtime_log_of, made.of(ResourceKind.REALTIME_LOG)),
        ),
    )


def _with_health_checks(
    file: Config, made: ApiResources, troubles: list[CompositionProblem]
) -> DnsSettings | None:
    """The file's DNS with the health checks that the API made; of one id the file's counts."""
    if file.dns is None:
        return None
    own = {one.id for one in file.dns.health_checks}
    private = file.control is not None and file.control.allow_private_origins
    rows = [one for one in made.of(ResourceKind.HEALTH_CHECK) if one.id not in own]
    checks = _read_each(rows, lambda one: health_check_of(one, private), troubles)
    return replace(file.dns, health_checks=(*file.dns.health_checks, *checks))


def health_check_of(one: Resource, private: bool) -> HealthCheck:
    """A health check of the API's as nodes have it. DocumentError."""
    check = read_health_check(one.config["HealthCheckConfig"], one.id)
    return replace(check, reach=origin_reach(check.host, private))


def _is_own_fault(trouble: CompositionProblem) -> bool:
    """Whether the resource alone is to blame: ids and host names are a matter of others, too."""
    member = re.split(r"[.\[]", trouble.where, maxsplit=1)[0]
    return member not in ("aliases", "domain_name", "id")


def _unsupported_problems(
    config: Config, made: ApiResources, may_ignore: MayIgnore
) -> list[CompositionProblem]:
    """Problems of members that distributions ask for and are not supported."""
    ours = {one.id for one in made.of(ResourceKind.DISTRIBUTION)}
    return [
        CompositionProblem(
            ResourceKind.DISTRIBUTION,
            distribution.id,
            one.place,
            one.message,
            in_document=True,
            api_code=one.member.code,
            source=ResourceSource.API if distribution.id in ours else ResourceSource.FILE,
        )
        for distribution in config.distributions
        for one in refused_members(distribution, config)
        if one.member.stops or not may_ignore(distribution.id)
    ]


def _without_failed(
    config: Config, made: ApiResources, troubles: Sequence[CompositionProblem]
) -> Config:
    """Without the distributions that have troubles, whose names answer 503."""
    reasons = {id: why for (_, id), why in _reasons(troubles).items()}
    served = {one.id: one for one in config.distributions}
    rows = {one.id: one for one in made.of(ResourceKind.DISTRIBUTION)}
    for id, why in reasons.items():
        why += refused_dependencies(rows[id], made.refused) if id in rows else ()
    left_out = [
        unavailable_site(served[id], why) if id in served else unreadable_site(rows[id], why)
        for id, why in reasons.items()
    ]
    return replace(
        config,
        distributions=tuple(one for one in config.distributions if one.id not in reasons),
        unavailable=(*config.unavailable, *left_out),
    )


def _read_each(
    resources: Sequence[Resource], read: Callable[[Resource], T], troubles: list[CompositionProblem]
) -> list[T]:
    read_resources = []
    for one in resources:
        try:
            read_resources.append(read(one))
        except DocumentError as error:
            troubles += [
                CompositionProblem(
                    one.kind, one.id, problem.where, problem.message, problem.code, in_document=True
                )
                for problem in error.problems
            ]
    return read_resources


def _with_id(read: Callable[[dict[str, Any]], N]) -> Callable[[Resource], N]:
    return lambda one: replace(read(one.config), id=one.id)


def _read(read: Callable[[dict[str, Any]], T], one: Resource) -> T:
    """A reader of what `get-…` prints, which has its id beside the configuration."""
    noun = "".join(map(str.capitalize, one.kind.split("-")))
    return read({"Id": one.id, f"{noun}Config": one.config})


def _policies(file: Config, made: ApiResources, troubles: list[CompositionProblem]) -> Policies:
    """Those the API made, and those in the behaviors of the file; each is checked by itself."""
    caches, requests, responses = (
        _ApiPolicies(ResourceKind.CACHE_POLICY, read_cache_policy, check_cache_policy),
        _ApiPolicies(
            ResourceKind.ORIGIN_REQUEST_POLICY,
            read_origin_request_policy,
            check_origin_request_policy,
        ),
        _ApiPolicies(
            ResourceKind.RESPONSE_HEADERS_POLICY,
            read_response_headers_policy,
            check_response_headers_policy,
        ),
    )
    declared = [policies_of(distribution) for distribution in file.distributions]
    return Policies(
        _merge_policies([one.caches for one in declared], caches.read(made, troubles)),
        _merge_policies([one.requests for one in declared], requests.read(made, troubles)),
        _merge_policies([one.responses for one in declared], responses.read(made, troubles)),
    )


def _merge_policies(declared: Sequence[Mapping[str, P]], made: Sequence[P]) -> dict[str, P]:
    """By id; the API's come before the file's."""
    policies = {id: policy for known in declared for id, policy in known.items()}
    return policies | {policy.id: policy for policy in made}


@dataclass(frozen=True, slots=True)
class _ApiPolicies(Generic[P]):
    """How the policies of a kind are read from documents of the API, and checked."""

    kind: ResourceKind
    read_document: Callable[[dict[str, Any]], P]
    check: Callable[[P, str, Problems], None]

    def read(self, made: ApiResources, troubles: list[CompositionProblem]) -> list[P]:
        """Those the API made; `troubles` gets what is wrong with them."""
        policies = _read_each(made.of(self.kind), self._read, troubles)
        for policy in policies:
            problems = Problems()
            self.check(policy, "", problems)
            check_bounds(policy, "", problems)
            troubles += [
                CompositionProblem(
                    self.kind, policy.id, problem.where.lstrip("."), problem.message, problem.code
                )
                for problem in problems.found
            ]
        return policies

    def _read(self, resource: Resource) -> P:
        return replace(self.read_document(resource.config), id=resource.id)


def read_distribution(policies: Policies, private: bool, one: Resource) -> Distribution:
    """What its origins may lead to is said here, for what was made or adopted before as well:
    nodes look when they connect. DocumentError."""
    site = read_distribution_config(one.config, id=one.id, policies=policies)
    origins = tuple(
        replace(origin, reach=origin_reach(origin.domain_name, private)) for origin in site.origins
    )
    return replace(site, tags=one.tags, domain_name=one.domain_name, origins=origins)


def with_name_and_releases(one: Distribution, releases: tuple[Release, ...]) -> Distribution:
    """With a domain name of its own, as every distribution of CloudFront has, and its releases."""
    name = one.domain_name or default_domain_name(one.id)
    return replace(one, domain_name=name, releases=releases)


def check_merged(
    config: Config, made: ApiResources, known: DistributionCache, may_ignore: MayIgnore
) -> tuple[list[CompositionProblem], list[Problem]]:
    """The problems that checks find: of the API's resources, and of the file's."""
    problems = Problems()
    ours = {one.id for one in made.of(ResourceKind.DISTRIBUTION)}
    for index, distribution in enumerate(config.distributions):
        where = f"distributions[{index}]"
        if not known.is_good(distribution):
            check_bounds(distribution, where, problems)
        if distribution.id in ours:
            check_access_named(distribution, config, where, problems)
    check(config, problems, known.is_good)
    troubles: list[CompositionProblem] = []
    rest: list[Problem] = []
    for problem in problems.found:
        trouble = _resource_problem(problem, config, made)
        if trouble is None:
            rest.append(problem)
        else:
            troubles.append(trouble)
    return [*troubles, *_unsupported_problems(config, made, may_ignore)], rest


def _resource_problem(
    problem: Problem, config: Config, made: ApiResources
) -> CompositionProblem | None:
    """The problem as one of a resource of the API; None when it is the file's."""
    match = _PLACE.match(problem.where)
    if match is None:
        return None
    kind = next((kind for kind, place in PLACES.items() if place == match[1]), None)
    if kind is None:
        return None
    piece = attrgetter(match[1])(config)[int(match[2])]
    id = piece.name if kind in _BY_NAME else piece.id
    if not any(one.id == id for one in made.of(kind)):
        return None
    return CompositionProblem(kind, id, match[3], problem.message, problem.code)
