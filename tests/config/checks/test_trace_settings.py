"""Tracing: what is refused of a collector's address and headers, and what is warned of."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.checks.trace_settings import check_tracing, tracing_warnings
from edgecache.config.model import Tracing
from edgecache.config.problems import Problems

THERE = "http://127.0.0.1:4318"
NO_URL = "tracing.otlp_endpoint: is not a URL like http://127.0.0.1:4318"
HEADER = 'tracing.otlp_headers.a: expected "env:NAME" or "file:PATH", where the value stands'


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({}, []),
        ({"otlp_endpoint": THERE}, []),
        ({"otlp_endpoint": "https://c/otlp/v1/traces", "otlp_ca_file": "/ca.pem"}, []),
        ({"otlp_endpoint": THERE, "otlp_headers": {"Authorization": "env:TOKEN"}}, []),
        (
            {"otlp_endpoint": THERE, "context": "ignore"},
            ["tracing.otlp_endpoint: there are no traces to send: context is \"ignore\""
             " (\"extract\", \"propagate\", …)"],
        ),
        ({"otlp_endpoint": "collector:4318"}, [NO_URL]),
        ({"otlp_endpoint": "http://c:99999"}, [NO_URL]),
        ({"otlp_endpoint": "http://c/ d"}, [NO_URL]),
        ({"otlp_endpoint": "grpc://c:4317"}, [NO_URL]),
        (
            {"otlp_endpoint": "http://me:secret@c"},
            ["tracing.otlp_endpoint: has a user in it: a URL is told in logs; otlp_headers has what"
             " is secret"],
        ),
        ({"otlp_endpoint": THERE, "otlp_headers": {"a": "the secret"}}, [HEADER]),
        (
            {"otlp_endpoint": THERE, "otlp_headers": {"a b": "env:A"}},
            ['tracing.otlp_headers: "a b" is not a header\'s name'],
        ),
        (
            {"otlp_endpoint": THERE, "otlp_headers": {"Content-Type": "env:A"}},
            ["tracing.otlp_headers.Content-Type: is ours to say"],
        ),
        (
            {"otlp_endpoint": THERE, "otlp_ca_file": "/ca.pem"},
            ["tracing.otlp_ca_file: is of an https:// URL"],
        ),
        (
            {"otlp_headers": {"a": "env:A"}, "otlp_ca_file": "/ca.pem"},
            ["tracing.otlp_headers: is for otlp_endpoint, which is missing",
             "tracing.otlp_ca_file: is for otlp_endpoint, which is missing"],
        ),
    ],
)  # fmt: skip
def test_where_spans_go(fields: dict[str, Any], problems: list[str]) -> None:
    found = Problems()
    check_tracing(Tracing(**{"context": "extract", **fields}), found)
    assert [*map(str, found.found)] == problems


@pytest.mark.parametrize(
    ("endpoint", "warned"),
    [("", 0), (THERE, 0), ("http://localhost:1", 0), ("https://c", 0), ("http://c", 1)],
)
def test_what_goes_in_clear_is_warned_of(endpoint: str, warned: int) -> None:
    assert len([*tracing_warnings(Tracing(otlp_endpoint=endpoint))]) == warned
