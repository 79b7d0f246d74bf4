"""Functions in an engine, run on the least event there is."""

from __future__ import annotations

import time
from typing import Any

from edgecache.config.functions import FunctionConfig, FunctionRuntime
from edgecache.functions.context import FunctionContext, RunInput, RunOutput
from edgecache.functions.interface import StoreOf, no_store

FIRST: FunctionRuntime = "cloudfront-js-1.0"
SECOND: FunctionRuntime = "cloudfront-js-2.0"
NOW_MS = 1_700_000_000_123.0


def event(event_type: str = "viewer-request") -> dict[str, Any]:
    request = {"method": "GET", "uri": "/", "querystring": {}, "headers": {}, "cookies": {}}
    context = {"eventType": event_type, "requestId": "id", "distributionId": "E1"}
    return {"version": "1.0", "context": context, "viewer": {"ip": "::1"}, "request": request}


def context_of(
    code: str, runtime: FunctionRuntime = SECOND, store_of: StoreOf = no_store
) -> FunctionContext:
    stores = ("store",) if store_of is not no_store else ()
    function = FunctionConfig(name="f", code=code, runtime=runtime, key_value_stores=stores)
    return FunctionContext(function, time.thread_time, store_of)


def ran(context: FunctionContext, **more: Any) -> RunOutput:
    given: dict[str, Any] = {"event": event(), "now": NOW_MS, "seed": 7.0} | more
    return context.run(RunInput(stores=context.function.key_value_stores, **given))


def result(body: str, runtime: FunctionRuntime = SECOND, **more: Any) -> Any:
    """What `body` returns; it has passed."""
    output = ran(context_of(f"function handler(event) {{ {body} }}", runtime), **more)
    assert output.error == "", output.error
    return output.result
