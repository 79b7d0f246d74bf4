"""Incremental composition: the published configuration with some distributions changed.

Law: what it gives is what composition from scratch would give (`compose.py`), and it decides
nothing itself. It reads and checks the changed distributions alone, beside all that they share;
what only all of them together can break, a host name that is taken, is asked of an index. Whatever
is unusual, a problem of any kind among it, is left to composition from scratch.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from msgspec.structs import replace

from edgecache.cluster.configuration_change import ConfigurationChange
from edgecache.config.aws.document import DocumentError
from edgecache.config.functions import FunctionConfig
from edgecache.config.model import Config, Distribution, Release
from edgecache.config.refused_distributions import names_of
from edgecache.control.state.compose import (
    ApiResources,
    Composition,
    check_merged,
    read_distribution,
    with_name_and_releases,
)
from edgecache.control.state.distribution_cache import DistributionCache
from edgecache.control.state.functions import used_functions
from edgecache.control.state.resources import Resource, ResourceKind

Edits = Mapping[str, Resource | None]
"""Distributions of the API that change, by id; None: there is none any more."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a composition depends on beside the API's resources; `file` is compared by identity."""

    file: Config
    adopted: frozenset[str]
    releases: Mapping[str, tuple[Release, ...]]
    revoked: tuple[str, ...]
    has_local_names: bool

    def are(self, other: Surroundings) -> bool:
        """Whether they are the same."""
        if self.file is not other.file or self.has_local_names != other.has_local_names:
            return False
        facts = (self.adopted, self.releases, self.revoked)
        return facts == (other.adopted, other.releases, other.revoked)


Finish = Callable[[Config, Surroundings], Config]
"""Makes of a merged configuration the one that is published, each distribution by itself."""


@dataclass(frozen=True, slots=True)
class CompositionStep:
    """A composition that follows from the one before. `put` and `gone` are what differs."""

    composition: Composition
    merged: Config
    put: tuple[Distribution, ...]  # as merged
    published: tuple[Distribution, ...]  # the same, as published
    gone: tuple[Distribution, ...]  # those that were deleted or replaced, as merged
    places: tuple[int, ...]  # of `published`, among all
    former: tuple[Distribution, ...]  # `gone` as they were published
    functions_before: tuple[FunctionConfig, ...]

    def change(self, base: int) -> ConfigurationChange | None:
        """What nodes on generation `base`, the one before, are told; None: nothing."""
        functions = self.composition.config.functions
        now = {one.id: one for one in self.published}
        same = {one.id for one in self.former if now.get(one.id) == one}
        pairs = zip(self.places, self.published, strict=True)
        put = [(place, one) for place, one in pairs if one.id not in same]
        gone = tuple(one.id for one in self.gone if one.id not in same)
        told = None if functions == self.functions_before else functions
        if not put and not gone and told is None:
            return None
        return ConfigurationChange(base, gone, tuple(put), told)


@dataclass(slots=True)
class _Index:
    """What is known of the distributions of one composition."""

    composition: Composition
    merged: Config
    beside: Surroundings
    first: int  # so many of the file stand before the API's
    others: frozenset[str]  # ids of those that are not the API's
    ids: list[str] = field(default_factory=list)  # of the API's, in order
    holders: dict[str, str] = field(default_factory=dict)  # ids by host name, in lower case
    uses: Counter[str] = field(default_factory=Counter)  # distributions by function that they run

    def place(self, id: str) -> tuple[int, bool]:
        """Where the API's distribution is, or would be, and whether it is there."""
        at = bisect_left(self.ids, id)
        return at, at < len(self.ids) and self.ids[at] == id


class IncrementalComposition:
    """The composition that is published, and steps from it. For one catalog.

    A step is proposed first, and taken when it is on disk; what is refused leaves nothing behind.
    """

    def __init__(self, known: DistributionCache, finish: Finish) -> None:
        self._known = known
        self._finish = finish
        self._learned: tuple[Composition, Config, Surroundings] | None = None
        self._index: _Index | None = None

    def learn(self, composition: Composition, merged: Config, beside: Surroundings) -> None:
        """What is published was composed from scratch; `merged` is it before it was finished."""
        self._learned, self._index = (composition, merged, beside), None

    def step(self, edits: Edits, beside: Surroundings) -> CompositionStep | None:
        """The composition with these distributions changed; None: compose from scratch."""
        index = self._indexed()
        if index is None or not index.beside.are(beside):
            return None
        put = self._read(edits, index)
        if put is None or not index.others.isdisjoint(edits):
            return None
        places = [index.place(id) for id in edits]
        gone = tuple(index.merged.distributions[index.first + at] for at, here in places if here)
        if not _is_free(index.holders, put, gone):
            return None
        if any(one.staging or one.continuous_deployment_policy for one in (*put, *gone)):
            return None  # two go together: see `check_continuous_deployment`
        alone = replace(index.merged, distributions=put, continuous_deployment_policies=())
        made = ApiResources({ResourceKind.DISTRIBUTION: [one for one in edits.values() if one]})
        if put and any(check_merged(alone, made, self._known, lambda _: False)):
            return None
        published = self._finish(alone, beside).distributions
        return _stepped(index, put, published, gone)

    def take(self, step: CompositionStep) -> None:
        """The step is what is published now."""
        index = self._index
        assert index is not None, "a step was proposed"
        for one in step.gone:
            at, _ = index.place(one.id)
            del index.ids[at]
            for name in names_of(one):
                del index.holders[name.lower()]
            index.uses.subtract(used_functions(one))
        for id in {one.id for one in step.gone} - {one.id for one in step.put}:
            self._known.forget(id)
        for one in step.put:
            index.ids.insert(index.place(one.id)[0], one.id)
            index.holders |= {name.lower(): one.id for name in names_of(one)}
            index.uses.update(used_functions(one))
            self._known.passed_alone(one)
        index.composition, index.merged = step.composition, step.merged

    def _indexed(self) -> _Index | None:
        if self._index is None and self._learned is not None:
            self._index, self._learned = _index_of(*self._learned), None
        return self._index

    def _read(self, edits: Edits, index: _Index) -> tuple[Distribution, ...] | None:
        """The changed ones that are there still, as merged; None: one cannot be read."""
        beside, policies = index.beside, index.composition.policies
        private = beside.file.control is not None and beside.file.control.allow_private_origins
        self._known.begin(policies, private=private)
        read = partial(read_distribution, policies, private)
        found = []
        try:
            for id in sorted(edits):
                row = edits[id]
                if row is not None:
                    one = self._known.read(row, read)
                    releases = beside.releases.get(id, one.releases)
                    found.append(self._known.finished(one, releases, with_name_and_releases))
        except DocumentError:
            return None
        return tuple(found)


def _index_of(composition: Composition, merged: Config, beside: Surroundings) -> _Index | None:
    """None where something is left out of the configuration: that may change with any change."""
    if composition.refused or composition.config.unavailable:
        return None
    first = sum(one.id not in beside.adopted for one in beside.file.distributions)
    control = beside.file.control
    hidden = bool(control is not None and control.canary_s)
    sites = merged.distributions
    ids = [one.id for one in sites[first : len(sites) - hidden]]
    others = frozenset(one.id for one in sites).difference(ids)
    holders = {name.lower(): one.id for one in sites for name in names_of(one)}
    uses = Counter(name for one in sites for name in used_functions(one))
    return _Index(composition, merged, beside, first, others, ids, holders, uses)


def _is_free(
    holders: Mapping[str, str], put: Iterable[Distribution], gone: Iterable[Distribution]
) -> bool:
    """Whether nobody has the names and ids of `put` but those in whose place they are."""
    left = {one.id for one in gone}
    names = (name.lower() for one in put for name in names_of(one))
    return all(name not in holders or holders[name] in left for name in names)


def _stepped(
    index: _Index,
    put: tuple[Distribution, ...],
    published: tuple[Distribution, ...],
    gone: tuple[Distribution, ...],
) -> CompositionStep | None:
    """None where there would be too many, or none: that is for the checks of all to judge."""
    before, merged = index.composition.config, index.merged
    sites, shown = [*merged.distributions], [*before.distributions]
    ids, former, places = [*index.ids], [], []
    for one in gone:
        at = bisect_left(ids, one.id)
        former.append(shown.pop(index.first + at))
        del ids[at], sites[index.first + at]
    for one, as_published in zip(put, published, strict=True):
        at = bisect_left(ids, one.id)
        places.append(index.first + at)  # no later one stands before it: `put` is in order
        ids.insert(at, one.id)
        sites.insert(index.first + at, one)
        shown.insert(index.first + at, as_published)
    if not 0 < len(sites) <= index.beside.file.quotas.distributions:
        return None
    functions = before.functions
    if merged.functions:
        uses = index.uses + Counter(name for one in put for name in used_functions(one))
        uses.subtract(Counter(name for one in gone for name in used_functions(one)))
        functions = tuple(one for one in merged.functions if uses[one.name] > 0)
    config = replace(before, distributions=tuple(shown), functions=functions)
    composition = Composition(config, (), index.composition.policies)
    return CompositionStep(
        composition,
        replace(merged, distributions=tuple(sites)),
        put,
        published,
        gone,
        tuple(places),
        tuple(former),
        before.functions,
    )
