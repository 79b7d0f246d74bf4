"""The node's line to control. Law: control may be away for any time; the node goes on, and catches
up from the last entry it applied."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec

from edgecache.control.log import Entry
from edgecache.control.nodes import Status

WAIT_S = 25.0  # below control's bound of 30
ANSWER_S_MAX = 10.0  # beyond the wait, for the answer itself
BACK_OFF_S_FIRST = 0.25
BACK_OFF_S_MAX = 15.0  # a control that came back is followed again within this
DOUBLINGS_MAX = 16  # past the longest back-off; keeps the power small
IDLE_S_MAX = 0.2  # between polls that brought nothing, in case control does not wait


class Page(msgspec.Struct, frozen=True):
    """What control answers to a poll. `last_seq` is the number of its newest entry."""

    entries: list[Entry]
    last_seq: int


class Bus:
    """What a node asks of control. `client` has control's address as its base and no proxy.

    `token` gives a fresh node token, `pause` waits for seconds, `random` gives [0, 1).
    """

    def __init__(
        self,
        name: str,
        client: httpx.AsyncClient,
        token: Callable[[], str],
        pause: Callable[[float], Awaitable[None]],
        random: Callable[[], float],
    ) -> None:
        self._name = name
        self._client = client
        self._token = token
        self._pause = pause
        self._random = random
        self.failures = 0  # polls failed in a row: above 0, control is away

    async def follow(self, after: int, apply: Callable[[Entry], Awaitable[None] | None]) -> None:
        """Apply every entry after number `after`, in order, until cancelled.

        What `apply` raises ends it. When control's log was replaced by a shorter one, all of that
        is applied from its start.
        """
        while True:
            page = await self._poll(after)
            if page is None:
                self.failures += 1
                await self._pause(back_off_s(self.failures, self._random()))
                continue
            self.failures = 0
            if page.last_seq < after:
                after = 0
                continue
            for entry in page.entries:
                applied = apply(entry)
                if inspect.isawaitable(applied):
                    await applied
                after = entry.seq
            if not page.entries:
                await self._pause(self._random() * IDLE_S_MAX)

    async def report(self, status: Status) -> bool:
        """Tell control how this node is; False when control did not take it."""
        content = msgspec.json.encode(status)
        try:
            answer = await self._client.post(
                f"/nodes/{self._name}",
                content=content,
                headers=self._headers(),
                timeout=ANSWER_S_MAX,
            )
        except httpx.HTTPError:
            return False
        return answer.is_success

    async def _poll(self, after: int) -> Page | None:
        question: dict[str, Any] = {"after": after, "wait_s": WAIT_S}
        try:
            answer = await self._client.get(
                "/log", params=question, headers=self._headers(), timeout=WAIT_S + ANSWER_S_MAX
            )
            return msgspec.json.decode(answer.content, type=Page) if answer.is_success else None
        except (httpx.HTTPError, msgspec.DecodeError):
            return None

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._token()}"}


def back_off_s(failures: int, random: float) -> float:
    """Seconds before the next try: doubling, bounded, half of it at random.

    "Exponential Backoff And Jitter", AWS Architecture Blog ("equal jitter").
    """
    longest = BACK_OFF_S_FIRST * (1 << min(failures - 1, DOUBLINGS_MAX))
    return min(longest, BACK_OFF_S_MAX) * (0.5 + random / 2)
