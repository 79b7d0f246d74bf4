"""The guards of traces: whose trace a request is, and that none is kept with what is stored."""

from __future__ import annotations

from tests.mutations.guard import Guard

TRACES = "tests/plays/test_trace_context.py"

TRACE_GUARDS = (
    Guard(
        "a viewer's trace is taken out of what is keyed and forwarded",
        "rules/trace_propagation.py",
        "return replace(request, fields=without(request.fields, NAMES), trace=trace)",
        "return replace(request, trace=trace)",
        "test_a_viewers_trace_",
        TRACES,
    ),
    Guard(
        "what an origin says of a trace is not stored",
        "rules/caching/storability.py",
        "named |= TRACE_FIELDS",
        "pass",
        "test_what_an_origin_says_",
        TRACES,
    ),
    Guard(
        "what varies by its trace is not stored",
        "rules/caching/storability.py",
        "if not TRACE_FIELDS.isdisjoint(vary_names(head.fields)):",
        "if False:",
        "test_an_answer_that_varies_",
        TRACES,
    ),
    Guard(
        "a head of a trace is not remembered",
        "server/http1/head_cache_fields.py",
        "and TRACED not in folded",
        "",
        "test_a_head_with_a_trace_",
        TRACES,
    ),
    Guard(
        "a trace that the regional cache repeats is the call's own",
        "server/http1/head_cache.py",
        "request_id, trace = call[0].id, trace_columns(call[0].trace)",
        "request_id, trace = call[0].id, NO_TRACE",
        "test_what_the_regional_cache_repeats_",
        TRACES,
    ),
)
