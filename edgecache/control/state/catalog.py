"""Everything that has a name in the API. Law: one change, one transaction, one entry of the log.

A change is on disk with the configuration it makes before it is answered, or it never was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from edgecache.config.model import Config
from edgecache.control.state.compose import ComposedConfig, Composition, Lacking, compose
from edgecache.control.state.database import StateDatabase
from edgecache.control.state.declared import declared
from edgecache.control.state.log import ControlLog, ensure_config
from edgecache.control.state.refused_resources import RefusedResource
from edgecache.control.state.releases import Releases
from edgecache.control.state.resources import Random, Resource, ResourceKind, Resources


def made_of(rows: Resources, releases: Releases) -> ComposedConfig:
    """What the API has made, as a state has it."""
    return ComposedConfig(
        {kind: rows.of(kind) for kind in ResourceKind}, rows.adopted(), releases.current()
    )


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
        self._changed: list[Resource] | None = None
        self.published = Config()  # what the nodes run on, once `publish` has begun
        self.refused: tuple[RefusedResource, ...] = ()  # what the API made and is not in it
        self.clock = clock
        self.random = random
        self._use(file)

    def _use(self, file: Config) -> None:
        self.file = file
        self._declared = declared(file, self.clock())

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
        found = {id: one for id, one in self._declared[kind].items() if id not in adopted}
        found |= {one.id: one for one in self._rows.of(kind)}
        return [found[id] for id in sorted(found)]

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """What is put and removed inside is published when this ends, all of it or nothing.

        NotComposedError: the change would break the configuration.
        """
        assert self._changed is None, "one change at a time"
        self._changed = []
        try:
            with self._state.writing():
                yield
                composed = self._composed(self.file, self._may_lack)
                generation = ensure_config(self._log, composed.config)
                for resource in self._changed:
                    if resource.generation == 0:
                        self._rows.put(replace(resource, generation=generation))
            self._published(composed)
        finally:
            self._changed = None

    def put(self, resource: Resource) -> None:
        """Inside `changing`. One of generation 0 gets that of the configuration it brings."""
        assert self._changed is not None
        self._rows.put(resource)
        self._changed.append(resource)

    def remove(self, kind: ResourceKind, id: str) -> None:
        """Inside `changing`."""
        assert self._changed is not None
        self._rows.remove(kind, id)

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
        that use it.
        """
        with self._state.writing():
            composed = self._composed(file, (lambda *_: True) if starting else self._may_lack)
            generation = ensure_config(self._log, composed.config)
        self._published(composed)
        self._use(file)
        return generation

    def _published(self, composed: Composition) -> None:
        self.published, self.refused = composed.config, composed.refused

    def _may_lack(self, kind: ResourceKind, id: str) -> bool:
        """What is not served already, unless it is what changes."""
        if any((one.kind, one.id) == (kind, id) for one in self._changed or ()):
            return False
        if kind is ResourceKind.DISTRIBUTION:
            return any(one.id == id for one in self.published.unavailable)
        return any((one.kind, one.id) == (kind, id) for one in self.refused)

    def _composed(self, file: Config, may_lack: Lacking) -> Composition:
        return compose(file, made_of(self._rows, self.releases), may_lack)
