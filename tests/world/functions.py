"""Scenes with functions at the two events of their behavior."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecache.cache.function_events import FunctionEvents
from edgecache.config.functions import FunctionAssociation, FunctionConfig, FunctionEvent
from edgecache.config.model import Config
from edgecache.functions.interface import FunctionLog, FunctionWorld, StoreOf
from edgecache.functions.runner import FunctionRunner
from edgecache.observe.counters import Counters

EVENTS: tuple[FunctionEvent, FunctionEvent] = ("viewer-request", "viewer-response")


def associated(request: str = "", response: str = "", **more: Any) -> dict[str, Any]:
    """A scene with these sources at the two events of the default behavior."""
    functions, associations = [], []
    stores = more.pop("key_value_stores", ())
    for event, code in zip(EVENTS, (request, response), strict=True):
        if code:
            name = f"at-{event}"
            own = stores if "cf.kvs" in code else ()
            functions.append(FunctionConfig(name=name, code=code, key_value_stores=own))
            associations.append(FunctionAssociation(event_type=event, function=name))
    behavior = {**more.pop("behavior", {}), "function_associations": tuple(associations)}
    return {"functions": tuple(functions), "behavior": behavior, **more}


def function_events(
    config: Config,
    parts: tuple[Callable[[], float], StoreOf, list[FunctionLog], Counters],
    next_id: Callable[[], bytes],
) -> FunctionEvents:
    """The functions of a play, of its clock, stores, logs and counters."""
    clock, stores, logs, counters = parts
    place = ("LHR50", "192.0.2.80", "eu-west-2")
    world = FunctionWorld(_no_cpu, clock, stores, logs.append, place, counters)
    events = FunctionEvents(FunctionRunner(world, config.python_hooks), next_id)
    events.use(config.functions)
    return events


def _no_cpu() -> float:
    """A thread that takes none: whether a function is throttled is for tests that say so."""
    return 0.0
