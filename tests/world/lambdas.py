"""Lambda functions of a play: handlers written in Python, run by nobody else."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Mapping
from typing import Any

from edgecache.config.lambda_functions import LambdaEvent, LambdaFunctionAssociation
from edgecache.functions.lambda_pool import LambdaError, LambdaFailure
from edgecache.functions.lambda_runner import LambdaCall, LambdaStory
from tests.world.play import Play

EVENTS: tuple[LambdaEvent, ...] = (
    "viewer-request", "origin-request", "origin-response", "viewer-response",
)  # fmt: skip
Handler = Callable[[dict[str, Any]], object]
ARN = "arn:aws:lambda:us-east-1:000000000000:function:{}:1"


class PlayedLambdas:
    """The invoker of a play. A handler gets `cf` of its event, and gives what the function does."""

    def __init__(self, handlers: Mapping[LambdaEvent, Handler]) -> None:
        self.handlers = {ARN.format(name): handler for name, handler in handlers.items()}
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.stories: list[LambdaStory] = []
        self.held = False
        self._waiting: list[asyncio.Future[None]] = []

    async def invoke(self, call: LambdaCall) -> object:
        cf = copy.deepcopy(call.event["Records"][0]["cf"])
        self.heard.append((cf["config"]["eventType"], copy.deepcopy(cf)))
        assert cf["config"]["requestId"] == call.request_id
        if self.held:
            self._waiting.append(asyncio.get_running_loop().create_future())
            await self._waiting[-1]
        return self.handlers[call.function](cf)

    def refused(self, _function: str, why: str) -> LambdaError:
        return LambdaError(LambdaFailure.VALIDATION, why)

    def tell(self, story: LambdaStory) -> None:
        self.stories.append(story)

    def release(self) -> None:
        """Let those that are held go on."""
        self.held = False
        for one in self._waiting:
            if not one.done():
                one.set_result(None)
        self._waiting.clear()

    def events(self) -> list[str]:
        """The events so far; they are forgotten by being asked for."""
        events, self.heard = [event for event, _ in self.heard], []
        return events


def same(cf: dict[str, Any]) -> object:
    """The handler that changes nothing."""
    return cf.get("response") or cf["request"]


def lambdas(play: Play) -> PlayedLambdas:
    """Those of a play."""
    assert isinstance(play.scene.lambdas, PlayedLambdas)
    return play.scene.lambdas


FOUR: dict[str, Any] = {
    "viewer_request": same,
    "origin_request": same,
    "origin_response": same,
    "viewer_response": same,
}


def triggered(*, include_body: bool = False, **given: Any) -> dict[str, Any]:
    """A scene whose default behavior runs these handlers at the events of their names."""
    events = {name: name.replace("_", "-") for name in given}
    named = {event: given[name] for name, event in events.items() if event in EVENTS}
    more = {name: value for name, value in given.items() if events[name] not in EVENTS}
    associations = tuple(
        LambdaFunctionAssociation(
            event_type=event,
            function_arn=ARN.format(event),
            include_body=include_body and event.endswith("request"),
        )
        for event in EVENTS
        if event in named
    )
    behavior = {**more.pop("behavior", {}), "lambda_function_associations": associations}
    return {"lambdas": PlayedLambdas(named), "behavior": behavior, **more}


def header(value: str) -> list[dict[str, str]]:
    """A header of an event with one value."""
    return [{"value": value}]


def failing(failure: LambdaFailure = LambdaFailure.EXECUTION) -> Handler:
    """A handler that fails so."""

    def handler(_cf: dict[str, Any]) -> object:
        raise LambdaError(failure, "as played")

    return handler
