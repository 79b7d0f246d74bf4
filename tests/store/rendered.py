"""A hit as a server keeps it with its entry."""

from __future__ import annotations

from dataclasses import dataclass

from edgecache.store.entry import Entry


@dataclass(frozen=True)
class Rendered:
    """A hit as made for the wire."""

    entry: Entry
