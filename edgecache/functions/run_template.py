"""Input of a function's run as text: encoded once for requests that are alike.

Law: nothing else makes it, so a run that is asked for by the bytes of a request is the run that its
decision would have asked for. Two runs of a template differ in the request's id, the viewer's
address and the time.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from edgecache.config.functions import FunctionConfig

_encoded = msgspec.json.Encoder().encode


class RunTemplate(Struct, frozen=True):
    """What a function is given at an event, but for what is each request's own."""

    function: str
    distribution: str  # id, for the function's log
    start: str  # up to the request's id
    middle: str  # from there to the viewer's address
    end: str  # from there to the time

    @classmethod
    def of(
        cls,
        function: FunctionConfig,
        event: dict[str, Any],
        raw: str | None,
        edge: tuple[str, str, str],
    ) -> RunTemplate:
        """The template of an event, which is complete; `raw` is the query's text, None without `?`,
        `edge` the location's name, address and region.
        """
        context = {name: value for name, value in event["context"].items() if name != "requestId"}
        outer = {"version": event["version"], "context": context}
        inner = {name: event[name] for name in ("request", "response") if name in event}
        around = {"raw": raw, "stores": function.key_value_stores, "edge": edge}
        return cls(
            function.name,
            context.get("distributionId", ""),
            f'{{"event":{_json(outer)[:-2]},"requestId":"',
            '"},"viewer":{"ip":',
            f'}},{_json(inner)[1:]},{_json(around)[1:-1]},"now":',
        )

    def text(self, request_id: str, address: str, now: float) -> str:
        """The input of a run at `now` (epoch seconds), up to its digests: see `FunctionContext`."""
        return (
            f"{self.start}{request_id}{self.middle}{_json(address)}{self.end}{int(now * 1_000)}"
            f',"seed":{int(now * 1_000_000) & 0x7FFFFFFF},"digests":'
        )

    @property
    def size_bytes(self) -> int:
        """About what it takes."""
        return len(self.start) + len(self.middle) + len(self.end)


class RunStep(Struct, frozen=True):
    """One run for a request: what the function was given, and what it said, unread."""

    template: RunTemplate
    text: str
    logs: tuple[str, ...]


def _json(value: object) -> str:
    return _encoded(value).decode()
