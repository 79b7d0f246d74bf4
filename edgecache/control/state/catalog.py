"""Catalog of all resources of the API. Law: one change, one transaction, one entry of the log.

A change is on disk with the configuration it makes before it is answered, or it never was.

Adoption: the API takes over a distribution of the file, and gives it back. Law: on the day it is
adopted a distribution serves exactly as it did; afterwards the file's table for it counts no more,
not even when the API deletes it.

`load_api_resources` is for commands beside a control process that may be running: they see a copy
of its last commit; looking changes nothing, and waits for nobody.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from urllib.parse import quote

import msgspec
from msgspec.structs import replace as replace_struct

from edgecache.config.aws.policies import policies_of
from edgecache.config.model import Config, Distribution
from edgecache.config.origin_map import with_mapped_origins
from edgecache.config.refused_distributions import refused_members
from edgecache.control.cloudfront.origin_reach import origin_problems
from edgecache.control.state.certificates import IssuedCertificates
from edgecache.control.state.changes import Changes
from edgecache.control.state.compose import (
    ApiResources,
    Composition,
    MayIgnore,
    MayOmit,
    NotComposedError,
    compose,
)
from edgecache.control.state.database import (
    BY_FILE,
    UNASKED,
    Authorship,
    StateBusyError,
    StateDatabase,
    StateError,
)
from edgecache.control.state.declared import declared_resources
from edgecache.control.state.distribution_cache import DistributionCache
from edgecache.control.state.functions import without_idle_functions
from edgecache.control.state.hosted_zones import HostedZones
from edgecache.control.state.incremental_composition import (
    CompositionStep,
    IncrementalComposition,
    Surroundings,
)
from edgecache.control.state.key_values import KeyValues
from edgecache.control.state.log import ControlLog, publish_config
from edgecache.control.state.releases import Releases
from edgecache.control.state.resources import (
    Random,
    RefusedResource,
    Resource,
    ResourceKind,
    Resources,
    ResourceSource,
    random_id,
)
from edgecache.control.state.shared_file import UNKNOWN, SharedFile
from edgecache.control.state.sqlite import FILE_NAME, SqliteDatabase, state_error

T = TypeVar("T")

RESOURCE_TABLES = ("resources", "adopted", "releases", "certificates")
"""Tables whose rows make the published configuration, with the file."""

_STEPPED = frozenset({ResourceKind.DISTRIBUTION})  # kinds that are composed step by step
_POLICY_KINDS = (
    ResourceKind.CACHE_POLICY,
    ResourceKind.ORIGIN_REQUEST_POLICY,
    ResourceKind.RESPONSE_HEADERS_POLICY,
)


class NotAdoptedError(Exception):
    """It cannot be taken over, or given back: the message says why."""


class Catalog:
    """The file's resources, CloudFront's own and the API's; used from one thread.

    `file` is the configuration as last read; `random` gives as many bytes as it is asked for.
    """

    def __init__(
        self,
        state: StateDatabase,
        log: ControlLog,
        file: Config,
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._state = state
        self._log = log
        self._rows = Resources(state)
        self.releases = Releases(state)  # to be changed inside `changing`
        self.changes = Changes(state)
        self.key_values = KeyValues(state, log)  # to be changed inside `changing` or `recorded`
        self.zones = HostedZones(state, log, random)  # to be changed inside `in_one_change`
        self._known = DistributionCache()
        self._incremental = IncrementalComposition(self._known, self._finished)
        self._file = SharedFile(state)
        self._changed: list[Resource] | None = None
        self._edits: set[tuple[ResourceKind, str]] = set()  # what was put and removed
        self._is_ahead = False  # the log of `published`: a transaction has not ended, or failed
        self.published = Config()  # what the nodes run on, once `publish` has begun
        self.refused: tuple[RefusedResource, ...] = ()  # what the API made and is not in it
        self.clock = clock
        self.random = random
        self.has_local_names = False  # dev mode: each distribution is ID.localhost, too
        self.takes_custom_ids = False  # dev mode: the tag `_custom_id_` says a distribution's id
        self.differs = False  # the file that was read last from the one all controls go by
        self._use(file)
        state.on_change(("told",), self._follow_file)
        state.on_change(RESOURCE_TABLES, self._follow_resources)

    def _use(self, file: Config) -> None:
        self.file = file
        self._declared = declared_resources(file, self.clock())

    def _follow_file(self) -> None:
        """Go by the file that another control has published."""
        found = self._file.changed()
        if found is not None:
            text, file = found
            self._follow(file)
            self._use(file)
            self._file.use(text)

    def _follow_resources(self) -> None:
        self._follow(self.file)

    def _follow(self, file: Config) -> None:
        """Know what another control has published: what its composition would be here."""
        try:
            self._published(*self._composed(file, lambda *_: True, lambda _: True))
        except NotComposedError as error:
            raise StateBusyError(f"{self._state.name}: {UNKNOWN} ({error})") from None

    def in_one_change(self, work: Callable[[], T]) -> T:
        """Do `work`, all of what it reads and writes, while no control writes anything else."""
        with self._state.writing():
            return work()

    @property
    def generation(self) -> int:
        """The number of the configuration that is published."""
        return self._log.generation

    def get(self, kind: ResourceKind, id: str) -> Resource | None:
        """The resource with an id: the API's own comes before the file's."""
        found = self._rows.get(kind, id)
        if found is not None:
            return found
        found = self._declared[kind].get(id)
        if found is None or (kind is ResourceKind.DISTRIBUTION and id in self._rows.adopted()):
            return None
        return found

    def of(self, kind: ResourceKind) -> list[Resource]:
        """Every resource of a kind, by id."""
        adopted = self._rows.adopted() if kind is ResourceKind.DISTRIBUTION else frozenset()
        resources = {id: one for id, one in self._declared[kind].items() if id not in adopted}
        resources |= {one.id: one for one in self._rows.of(kind)}
        return [resources[id] for id in sorted(resources)]

    def count(self, kind: ResourceKind) -> int:
        """How many resources of a kind there are."""
        adopted = self._rows.adopted() if kind is ResourceKind.DISTRIBUTION else frozenset()
        return self._rows.count(kind) + sum(id not in adopted for id in self._declared[kind])

    def made_with(self, kind: ResourceKind, reference: str) -> str | None:
        """The id of the resource of a kind that was made with this CallerReference."""
        held = self._rows.made_with(kind, reference)
        adopted = self._rows.adopted() if kind is ResourceKind.DISTRIBUTION else frozenset()
        declared = self._declared[kind].values()
        found = (x.id for x in declared if x.reference == reference and x.id not in adopted)
        return min([*held, *found], default=None) if reference else None

    @contextlib.contextmanager
    def changing(self, by: Authorship = UNASKED) -> Iterator[None]:
        """What is put and removed inside is published when this ends, all of it or nothing.

        It has a number and its author also where the nodes' configuration stays as it is.
        NotComposedError: the change would break the configuration.
        """
        assert self._changed is None, "one change at a time"
        self._changed, self._edits = [], set()
        try:
            with self._state.writing():
                yield
                before = self._log.generation
                generation = self._publish_changed(by)
                if generation == before:
                    self._log.record(by)
                for resource in self._changed:
                    if resource.generation == 0:
                        self._rows.put(replace(resource, generation=generation))
        finally:
            self._changed = None

    def _publish_changed(self, by: Authorship) -> int:
        """Publish what the change makes of the configuration; the generation."""
        step = self._step()
        if step is not None:
            self._when_committed(partial(self._stepped, step))
            return self._publish_step(step, by)
        composed = self._composed(self.file, self._may_lack, self._may_ignore)
        self._when_committed(partial(self._published, *composed))
        return publish_config(self._log, composed[0].config, by)

    def _publish_step(self, step: CompositionStep, by: Authorship) -> int:
        before = self._log.generation
        change = step.change(before)
        if change is None:
            return before
        generation = self._log.append_change(change, by)
        return generation or publish_config(self._log, step.composition.config, by)

    def _when_committed(self, told: Callable[[], None]) -> None:
        """Until then what is published is not what the next change of the transaction follows."""
        self._is_ahead = True
        self._state.on_commit(told)

    def _step(self) -> CompositionStep | None:
        """What follows from what is published where distributions alone have changed."""
        if self._is_ahead:
            return None
        if not self._edits or any(kind not in _STEPPED for kind, _ in self._edits):
            return None
        # As they are on disk: a document of a call may be spelled otherwise.
        edits = {id: self._rows.get(kind, id) for kind, id in self._edits}
        return self._incremental.step(edits, self._surroundings(self.file))

    @contextlib.contextmanager
    def recorded(self, by: Authorship) -> Iterator[None]:
        """What is written inside, which no node need know, has a number and its author."""
        with self._log.recorded(by):
            yield

    def put(self, resource: Resource) -> None:
        """Inside `changing`. One of generation 0 gets that of the configuration it brings."""
        assert self._changed is not None
        self._rows.put(resource)
        self._changed.append(resource)
        self._edits.add((resource.kind, resource.id))

    def remove(self, kind: ResourceKind, id: str) -> None:
        """Inside `changing`."""
        assert self._changed is not None
        self._changed = [one for one in self._changed if (one.kind, one.id) != (kind, id)]
        self._rows.remove(kind, id)
        self._edits.add((kind, id))

    def adopt(self, id: str) -> None:
        """Inside `changing`: from now on the API says what this distribution of the file is."""
        self._rows.adopt(id)

    def is_adopted(self, id: str) -> bool:
        """Whether the API has taken over this distribution of the file."""
        return id in self._rows.adopted()

    def give_back(self, id: str) -> None:
        """Inside `changing`: what the file says of this distribution counts again."""
        self._rows.give_back(id)

    def publish(self, file: Config, *, starting: bool = False) -> int:
        """Take over what the file says now; the generation. NotComposedError changes nothing.

        When control starts, what is refused keeps no distribution from being served but those
        that use it; and where other controls run by another file, theirs counts (`differs`).
        """
        if starting:  # what is known by then is not worked out while others wait
            self._composed(file, lambda *_: True, lambda _: True)
        with self._state.writing():
            file, self.differs = self._file.chosen(file, joining=starting and self._state.others)
            if starting:
                composed, merged, beside = self._composed(file, lambda *_: True, lambda _: True)
            else:
                composed, merged, beside = self._composed(file, self._may_lack, self._may_ignore)
            by = Authorship(BY_FILE, "control started" if starting else "reload_file")
            self.key_values.follow_file(file.key_value_stores, self.clock())
            generation = publish_config(self._log, composed.config, by)
            self._file.keep(file)
            self._when_committed(partial(self._published, composed, merged, beside))
        self._use(file)
        return generation

    def _published(self, composed: Composition, merged: Config, beside: Surroundings) -> None:
        self.published, self.refused = composed.config, composed.refused
        self._incremental.learn(composed, merged, beside)
        self._is_ahead = False

    def _stepped(self, step: CompositionStep) -> None:
        self.published, self.refused = step.composition.config, step.composition.refused
        self._incremental.take(step)
        self._is_ahead = False

    def _may_lack(self, kind: ResourceKind, id: str) -> bool:
        """What is not served already, unless it is what changes."""
        if any((one.kind, one.id) == (kind, id) for one in self._changed or ()):
            return False
        if kind is ResourceKind.DISTRIBUTION:
            return any(one.id == id for one in self.published.unavailable)
        return any((one.kind, one.id) == (kind, id) for one in self.refused)

    def _may_ignore(self, id: str) -> bool:
        """What is served without it already, unless that is what changes."""
        if any(
            one.kind is ResourceKind.DISTRIBUTION and one.id == id for one in self._changed or ()
        ):
            return False
        served = (one for one in self.published.distributions if one.id == id)
        return any(refused_members(one, self.published) for one in served)

    def _surroundings(self, file: Config) -> Surroundings:
        revoked = IssuedCertificates(self._state, self.clock).revoked()
        adopted, releases = self._rows.adopted(), self.releases.current()
        return Surroundings(file, adopted, releases, revoked, self.has_local_names)

    def _composed(
        self, file: Config, may_lack: MayOmit, may_ignore: MayIgnore
    ) -> tuple[Composition, Config, Surroundings]:
        """Composed from scratch: as published, as merged before that, and what beside."""
        beside = self._surroundings(file)
        made = ApiResources(
            {kind: self._rows.of(kind) for kind in ResourceKind}, beside.adopted, beside.releases
        )
        composed = compose(file, made, may_lack, self._known, may_ignore)
        config = self._finished(composed.config, beside)
        return replace(composed, config=config), composed.config, beside

    def _finished(self, merged: Config, beside: Surroundings) -> Config:
        """A merged configuration as it is published."""
        control = merged.control
        if control is not None:  # of no use to nodes; a former one does not know it
            control = replace_struct(control, database="")
        # What stores hold is asked for by nodes that need it: see `key_values`.
        config = replace_struct(
            with_mapped_origins(merged),
            revoked_nodes=beside.revoked,
            control=control,
            key_value_stores=(),
            origin_map={},
        )
        if beside.has_local_names:
            named = tuple(map(with_local_name, config.distributions))
            config = replace_struct(config, distributions=named)
        return without_idle_functions(config)


def with_local_name(site: Distribution) -> Distribution:
    """A distribution that answers to `ID.localhost` (RFC 6761 §6.3), which needs no DNS."""
    return replace_struct(site, aliases=(*site.aliases, f"{site.id.lower()}.localhost"))


def api_resources(rows: Resources, releases: Releases) -> ApiResources:
    """The resources the API has made, read from a state."""
    return ApiResources(
        {kind: rows.of(kind) for kind in ResourceKind}, rows.adopted(), releases.current()
    )


def load_api_resources(folder: Path) -> ApiResources:
    """The API's resources in the state of `folder`, if there is one. StateError: it is unusable."""
    path = folder / FILE_NAME
    if not path.is_file():
        return ApiResources()
    with TemporaryDirectory(prefix="edgecache-") as place:
        copied = Path(place) / FILE_NAME
        try:
            source = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
            with closing(source), closing(sqlite3.connect(copied)) as copy:
                source.backup(copy)
            with closing(SqliteDatabase(Path(place))) as state:
                return api_resources(Resources(state), Releases(state))
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise state_error(path, error) from error
        except StateError as error:  # it names the copy
            raise StateError(str(error).replace(str(copied), str(path))) from error


def adopt(catalog: Catalog, id: str, by: Authorship = UNASKED) -> Resource:
    """Keep what the file says of a distribution as the API's own, and its policies."""
    one = catalog.get(ResourceKind.DISTRIBUTION, id)
    if one is None:
        raise NotAdoptedError(f"there is no distribution {id}")
    if one.source is not ResourceSource.FILE:
        raise NotAdoptedError(f"the distribution {id} is the API's already")
    for place, trouble in origin_problems(one.config, catalog.file):
        raise NotAdoptedError(f"{place}: {trouble}")
    adopted = _as_api_resource(one, catalog)
    with catalog.changing(by):
        catalog.adopt(id)
        catalog.put(adopted)
        for policy in _policies(catalog, id):
            catalog.put(_as_api_resource(policy, catalog))
    return catalog.get(ResourceKind.DISTRIBUTION, id) or adopted


def give_back(catalog: Catalog, id: str, by: Authorship = UNASKED) -> None:
    """Let the file say again what a distribution is; what the API kept of it is gone."""
    if not any(one.id == id for one in catalog.file.distributions):
        raise NotAdoptedError(f"the file declares no distribution {id}")
    if not catalog.is_adopted(id):
        raise NotAdoptedError(f"the distribution {id} was not adopted")
    with catalog.changing(by):
        catalog.give_back(id)
        catalog.remove(ResourceKind.DISTRIBUTION, id)


def _policies(catalog: Catalog, id: str) -> list[Resource]:
    """The file's own policies that its distribution names: they leave with the table."""
    distribution = next(one for one in catalog.file.distributions if one.id == id)
    used = policies_of(distribution)
    policies_to_keep = []
    for kind, policies in zip(
        _POLICY_KINDS, (used.caches, used.requests, used.responses), strict=True
    ):
        known = [catalog.get(kind, name) for name in policies]
        policies_to_keep += [
            one for one in known if one is not None and one.source is ResourceSource.FILE
        ]
    return policies_to_keep


def _as_api_resource(one: Resource, catalog: Catalog) -> Resource:
    return replace(
        one, etag=random_id("E", catalog.random), generation=0, source=ResourceSource.API
    )
