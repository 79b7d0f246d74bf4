"""What functions are given by others: clocks, key value stores, a place for what they log.

Law: a store is opened once a run, and says the same to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

from edgecache.observe.counters import Counters
from edgecache.store.key_values import KeyValueMeta


class KeyValueReader(Protocol):
    """One version of a key value store."""

    def get(self, key: str) -> str | None:
        """The value of a key; None: there is none."""
        ...

    def exists(self, key: str) -> bool: ...

    def meta(self) -> KeyValueMeta: ...


StoreOf = Callable[[str], KeyValueReader | None]
"""The store of an id, as it is now; None: it is not here."""


def no_store(_store_id: str) -> KeyValueReader | None:
    """There are no stores."""
    return None


class FunctionLog(Struct, frozen=True):
    """What one run has logged: CloudFront's function log has its lines between START and END."""

    function: str
    request_id: str
    distribution: str
    lines: tuple[str, ...]

    def text(self) -> str:
        """As CloudWatch has it."""
        start = f"{self.request_id} START DistributionID: {self.distribution}"
        lines = (f"{self.request_id} {line}" for line in self.lines)
        return "\n".join((start, *lines, f"{self.request_id} END"))


def _no_log(_log: FunctionLog) -> None: ...


@dataclass(frozen=True, slots=True)
class FunctionWorld:
    """Clocks, stores and places that functions are given. Times of `clock` are epoch seconds."""

    cpu_clock: Callable[[], float]  # seconds of this thread's CPU
    clock: Callable[[], float]
    store_of: StoreOf = no_store
    log: Callable[[FunctionLog], None] = _no_log
    edge: tuple[str, str, str] = ("", "", "")  # name, address, region
    counters: Counters = field(default_factory=Counters)
