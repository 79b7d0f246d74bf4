"""Controls of an installation as one node sees them: which it follows, and which is the next.

Law: a node follows one at a time. All nodes together are spread over all controls: each has an
order of its own, by a hash of its name and a control's address (rendezvous hashing; Thaler and
Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998), the same after a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx
import xxhash

RETURN_S = 30.0  # before the first choice is asked again; it has to be well for a while
RETURN_S_MAX = 300.0


@dataclass(frozen=True, slots=True)
class ControlEndpoint:
    """A control: its URL, and a client whose base that is, without a proxy."""

    url: str
    client: httpx.AsyncClient


class ControlEndpoints:
    """The controls that a node named `name` may follow, the first choice first. Never empty.

    `clock` gives monotonic seconds, `random` a number in [0, 1).
    """

    def __init__(
        self,
        name: str,
        endpoints: Sequence[ControlEndpoint],
        clock: Callable[[], float] = lambda: 0.0,
        random: Callable[[], float] = lambda: 0.5,
    ) -> None:
        self._ordered = sorted(endpoints, key=lambda one: _weight(name, one.url), reverse=True)
        self._clock, self._random = clock, random
        self._index = 0
        self._left: int | None = None  # the one that is followed while the first choice is tried
        self._return_s = RETURN_S
        self._return_at = 0.0

    @classmethod
    def only(cls, client: httpx.AsyncClient, url: str = "") -> ControlEndpoints:
        """Those of a node that knows one control."""
        return cls("", [ControlEndpoint(url, client)])

    def __len__(self) -> int:
        return len(self._ordered)

    @property
    def current(self) -> ControlEndpoint:
        """The one that is followed, or tried."""
        return self._ordered[self._index]

    @property
    def is_first_choice(self) -> bool:
        """Whether no other is preferred to the current one."""
        return self._index == 0

    def move(self) -> None:
        """The current one does not serve this node: go on with the next, or where it came from."""
        if self._left is not None:
            self._index, self._left = self._left, None
            self._return_s = min(RETURN_S_MAX, self._return_s * 2)
        else:
            self._index = (self._index + 1) % len(self._ordered)
        self._return_at = self._clock() + self._return_s * (0.5 + self._random())

    def try_first_choice(self) -> bool:
        """Make the first choice the current one, where it is time to try it; whether it is."""
        if self._index == 0 or self._clock() < self._return_at:
            return False
        self._index, self._left = 0, self._index
        return True

    def settle(self) -> ControlEndpoint | None:
        """The current one serves this node; gives the one that was left for it, to be told."""
        left, self._left = self._left, None
        if self._index == 0:
            self._return_s = RETURN_S
        return None if left is None else self._ordered[left]


def _weight(name: str, url: str) -> int:
    return int(xxhash.xxh3_64_intdigest(f"{name}\n{url}".encode()))
