"""Checks of tracing: a collector that can be sent to, headers by reference, traces to be told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from edgecache.config.checks.access import REFERENCE
from edgecache.config.checks.log_delivery import OF_THIS_MACHINE
from edgecache.config.checks.policies import TOKEN
from edgecache.config.observation import Tracing
from edgecache.config.problems import Problem, Problems, quoted

_OURS = frozenset({"content-type", "content-length", "host", "connection", "transfer-encoding"})


def check_tracing(tracing: Tracing, problems: Problems) -> None:
    """Where spans go, and whether there are any."""
    if not tracing.otlp_endpoint:
        for name in ("otlp_headers", "otlp_ca_file"):
            if getattr(tracing, name):
                problems.add(f"tracing.{name}", "is for otlp_endpoint, which is missing")
        return
    if wrong := _endpoint_problem(tracing.otlp_endpoint):
        problems.add("tracing.otlp_endpoint", wrong)
    elif tracing.context == "ignore":
        trouble = 'there are no traces to send: context is "ignore" ("extract", "propagate", …)'
        problems.add("tracing.otlp_endpoint", trouble)
    if tracing.otlp_ca_file and not tracing.otlp_endpoint.startswith("https:"):
        problems.add("tracing.otlp_ca_file", "is of an https:// URL")
    for name, reference in tracing.otlp_headers.items():
        if not TOKEN.fullmatch(name):
            problems.add("tracing.otlp_headers", f"{quoted(name)} is not a header's name")
        elif name.lower() in _OURS:
            problems.add(f"tracing.otlp_headers.{name}", "is ours to say")
        elif not REFERENCE.fullmatch(reference):  # it may be the secret itself: not shown
            trouble = 'expected "env:NAME" or "file:PATH", where the value stands'
            problems.add(f"tracing.otlp_headers.{name}", trouble)


def tracing_warnings(tracing: Tracing) -> Iterator[Problem]:
    """Spans on their way where others can read them."""
    url = urlsplit(tracing.otlp_endpoint)
    if url.scheme == "http" and not (url.hostname or "").startswith(OF_THIS_MACHINE):
        words = "addresses of viewers and what they asked for go in clear: by http"
        yield Problem("tracing.otlp_endpoint", words)


def _endpoint_problem(endpoint: str) -> str:
    """Why it is no URL to post to; never with what may be a secret in it."""
    try:
        url = urlsplit(endpoint)
        sound = url.port != 0
    except ValueError:
        sound = False
    if sound and (url.username is not None or url.password is not None):
        return "has a user in it: a URL is told in logs; otlp_headers has what is secret"
    known = sound and url.scheme in ("http", "https") and url.hostname and not url.fragment
    if not known or not re.fullmatch(r"[!-~]+", endpoint):
        return "is not a URL like http://127.0.0.1:4318"
    return ""
