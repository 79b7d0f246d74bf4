"""The guards of functions: what they may not do, and what is nobody else's once they saw it."""

from __future__ import annotations

from tests.mutations.guard import Guard

EVENTS = "tests/plays/test_function_events.py"
SAMPLES = "tests/plays/test_functions.py"
CONTEXT = "tests/functions/test_context.py"
RUNNER = "tests/functions/test_runner.py"
EVENT = "tests/functions/test_event.py"
LAMBDA_PLAYS = "tests/plays/test_lambda_functions.py"
LAMBDA_EVENTS = "tests/plays/test_lambda_events.py"
LAMBDA_POOL = "tests/functions/test_lambda_pool.py"

FUNCTION_GUARDS = (
    Guard(
        "a hit that a Lambda function would have seen is concluded by no frontend",
        "rules/routing.py",
        "runs_functions=bool(functions) or not VIEWER_EVENTS.isdisjoint(lambdas),",
        "runs_functions=bool(functions),",
        "test_the_head_cache_never_",
        LAMBDA_PLAYS,
    ),
    Guard(
        "a part becomes no whole by its status",
        "functions/lambda_event.py",
        "if before in _OF_A_PART and (after == before) != (body is None):",
        "if False:",
        "test_part_and_validation_",
        LAMBDA_EVENTS,
    ),
    Guard(
        "a worker that is late is killed",
        "functions/lambda_pool.py",
        "async with asyncio.timeout(self.function.timeout_s):\n                answer",
        "async with asyncio.timeout(None):\n                answer",
        "test_who_is_late_",
        LAMBDA_POOL,
    ),
    Guard(
        "a hit that a function has seen is not repeated",
        "cache/function_events.py",
        "own = replace(hit, until=0.0, functions=record)",
        "own = replace(hit, functions=record)",
        "test_security_headers_",
        SAMPLES,
    ),
    Guard(
        "a changed path keeps its behavior in the next tier",
        "cache/function_events.py",
        "changed = replace(changed, behavior=route.behavior.path_pattern.encode())",
        "pass",
        "test_a_changed_path_",
        EVENTS,
    ),
    Guard(
        "a function of errors is not asked",
        "cache/function_events.py",
        "skipped = outcome.status >= 400 or outcome.status == 101",
        "skipped = False",
        "test_a_response_function_is_not_asked_",
        EVENTS,
    ),
    Guard(
        "a page of the distribution is no function's",
        "cache/function_events.py",
        "if skipped or outcome.result is CacheResult.ERROR or request.functions is None:",
        "if skipped or request.functions is None:",
        "test_a_response_function_is_not_asked_",
        EVENTS,
    ),
    Guard(
        "jobs of a run are not left to the next",
        "functions/context.py",
        "self._drain(began + CPU_S_MAX)",
        "pass",
        "test_a_run_ends_",
        CONTEXT,
    ),
    Guard(
        "a run's memory is bounded",
        "functions/context.py",
        "self._context.set_memory_limit(self.measure() + MEMORY_BYTES)",
        "self.measure()",
        "test_a_run_ends_",
        CONTEXT,
    ),
    Guard(
        "a source is a script by itself",
        "functions/context.py",
        "if problem:",
        "if False:",
        "test_a_source_that_is_none_",
        CONTEXT,
    ),
    Guard(
        "who takes more than its time is throttled",
        "functions/runner.py",
        "if not kept.share.admits(now):",
        "if False:",
        "test_who_takes_more_",
        RUNNER,
    ),
    Guard(
        "a context that broke is not used again",
        "functions/runner.py",
        "if output.broken and kept is not None:",
        "if False:",
        "test_a_context_that_broke_",
        RUNNER,
    ),
    Guard(
        "read-only headers stay as they are",
        "functions/event.py",
        "for raw in (gone | written.keys()) & READ_ONLY[place]:",
        "for raw in ():",
        "test_what_may_not_come_back_",
        EVENT,
    ),
    Guard(
        "a function says no header of ours",
        "functions/header_rules.py",
        "if is_hidden(raw):",
        "if False:",
        "test_what_may_not_come_back_",
        EVENT,
    ),
)
