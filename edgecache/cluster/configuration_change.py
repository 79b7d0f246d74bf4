"""Changes of a configuration: what of its distributions differs from the one before.

Law: a configuration and the changes that follow it, in order, are the configuration that control
composed; a change applies to the generation it names, and to no other. Whole configurations are
megabytes, and a change is one distribution.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from edgecache.config.functions import FunctionConfig
from edgecache.config.model import Config, Distribution

T = TypeVar("T")

_ORDER = {name: place for place, name in enumerate(Config.__struct_encode_fields__)}
_CHANGED = ("distributions", "functions")
_EMPTY = msgspec.Raw(b"[]")


class ConfigurationChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an entry: what makes of generation `base` the one of the entry's number.

    First those of `gone` (ids) leave, replaced ones too; then those of `put` get their places, in
    the order of these. `functions` are all there are, where they differ.
    """

    base: int
    gone: tuple[str, ...] = ()
    put: tuple[tuple[int, Distribution], ...] = ()
    functions: tuple[FunctionConfig, ...] | None = None

    def applied(self, config: Config) -> Config:
        """The configuration that follows. ValueError: one that leaves is not there."""
        ids = [one.id for one in config.distributions]
        sites = _edited(ids, config.distributions, self.gone, self.put)
        changed = replace(config, distributions=tuple(sites))
        return changed if self.functions is None else replace(changed, functions=self.functions)


class TextChange(msgspec.Struct, frozen=True):
    """The same with the JSON of each part as it is."""

    base: int
    gone: tuple[str, ...] = ()
    put: tuple[tuple[int, msgspec.Raw], ...] = ()
    functions: msgspec.Raw = msgspec.Raw()  # empty: as they were


class _Named(msgspec.Struct):
    id: str


class ConfigurationText:
    """The JSON of a configuration, which changes are applied to without reading the rest of it."""

    def __init__(self, text: bytes) -> None:
        self._text: bytes | None = text
        self._rest: dict[str, msgspec.Raw] = {}  # members but the distributions
        self._ids: list[str] = []  # beside their texts
        self._sites: list[msgspec.Raw] = []
        self._is_split = False

    def apply(self, change: TextChange) -> None:
        """Make it the one that follows. ValueError: one that leaves is not there."""
        self._split()
        put = [(place, site.copy()) for place, site in change.put]  # the rest of it may go
        names = [(place, msgspec.json.decode(site, type=_Named).id) for place, site in put]
        sites = _edited(self._ids, self._sites, change.gone, put)
        self._ids = _edited(self._ids, self._ids, change.gone, names)
        self._sites = sites
        if functions := bytes(change.functions):
            self._rest["functions"] = msgspec.Raw(functions)
        self._text = None

    def _split(self) -> None:
        if self._is_split:
            return
        assert self._text is not None
        self._rest = msgspec.json.decode(self._text, type=dict[str, msgspec.Raw])
        sites = self._rest.pop("distributions", None)
        self._sites = [] if sites is None else msgspec.json.decode(sites, type=list[msgspec.Raw])
        self._ids = [msgspec.json.decode(site, type=_Named).id for site in self._sites]
        self._is_split = True

    @property
    def text(self) -> bytes:
        """All of it, as encoding it would give: members in order, without those that are empty."""
        if self._text is None:
            members: dict[str, Any] = {**self._rest, "distributions": self._sites}
            for name in _CHANGED:
                if members.get(name) in ([], _EMPTY):
                    del members[name]
            names = sorted(members, key=lambda name: _ORDER.get(name, len(_ORDER)))
            self._text = msgspec.json.encode({name: members[name] for name in names})
        return self._text


def _edited(
    ids: Sequence[str], parts: Sequence[T], gone: Iterable[str], put: Iterable[tuple[int, T]]
) -> list[T]:
    """The parts without those whose ids are `gone`, and with those of `put` at their places."""
    left = [*parts]
    for place in sorted((ids.index(id) for id in gone), reverse=True):
        del left[place]
    for place, part in put:
        left.insert(place, part)
    return left
