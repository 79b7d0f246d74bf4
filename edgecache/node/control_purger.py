"""Purges that viewers ask for: questions to control, with the viewer's own token.

Law: an edge has no token and lends nobody its own rights: what it hands over says `Via`, so that
control takes it for relayed even where it comes by the socket file, and judges the token alone. As
few ask at once as `UNDER_WAY_MAX`, and no more than `PER_S` come to control, whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable

import httpx
import msgspec

from edgecache.cache.purge import PurgeAnswer, PurgeQuestion

UNDER_WAY_MAX = 8  # of one process
PER_S, BURST = 10.0, 50.0  # a CMS that purges what an article touches
ANSWER_S_MAX = 10.0
COMPLETION_S_MAX = 5.0  # that it is waited for; nodes apply an invalidation within a second
BUSY, SILENT = PurgeAnswer(429), PurgeAnswer(503)


class _Accepted(msgspec.Struct, frozen=True):
    """What we read of control's report on an invalidation."""

    id: str
    status: str


class ControlPurger:
    """Purges of one process. `client` gives one of the control to ask; `clock` gives seconds."""

    def __init__(
        self, client: Callable[[], httpx.AsyncClient], clock: Callable[[], float], via: str
    ) -> None:
        self._client = client
        self._clock = clock
        self._via = via
        self._under_way = 0
        self._room = BURST
        self._at = clock()

    async def ask(self, question: PurgeQuestion) -> PurgeAnswer:
        """Have the path invalidated, and wait a little until it is Completed."""
        if not self._take():
            return BUSY
        self._under_way += 1
        try:
            return await self._asked(question)
        except (httpx.HTTPError, OSError, msgspec.DecodeError):
            return SILENT
        finally:
            self._under_way -= 1

    def _take(self) -> bool:
        """Whether one more may ask now (token bucket)."""
        now = self._clock()
        self._room = min(BURST, self._room + (now - self._at) * PER_S)
        self._at = now
        if self._room < 1 or self._under_way >= UNDER_WAY_MAX:
            return False
        self._room -= 1
        return True

    async def _asked(self, question: PurgeQuestion) -> PurgeAnswer:
        client = self._client()
        headers = {"authorization": f"Bearer {question.token}", "via": self._via}
        body = {
            "distribution": question.distribution,
            "paths": [question.path],
            "soft": question.soft,
        }
        content = msgspec.json.encode(body)
        answer = await client.post(
            "/invalidations", content=content, headers=headers, timeout=ANSWER_S_MAX
        )
        if answer.status_code != httpx.codes.CREATED:
            return PurgeAnswer(answer.status_code)
        made = msgspec.json.decode(answer.content, type=_Accepted)
        target = f"/invalidations/{question.distribution}/{made.id}?wait_s={COMPLETION_S_MAX:g}"
        try:
            waited = await client.get(
                target, headers=headers, timeout=COMPLETION_S_MAX + ANSWER_S_MAX
            )
            made = msgspec.json.decode(waited.content, type=_Accepted)
        except (httpx.HTTPError, msgspec.DecodeError):
            pass  # it was accepted all the same
        return PurgeAnswer(200, made.id, made.status == "Completed")
