"""Scenes with functions at the two events of their behavior."""

from __future__ import annotations

from typing import Any

from edgecache.config.functions import FunctionAssociation, FunctionConfig, FunctionEvent

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
