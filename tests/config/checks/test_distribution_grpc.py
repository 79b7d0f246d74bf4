"""Behaviors that allow gRPC, and origins that are asked by HTTP/2."""

from __future__ import annotations

import pytest

from edgecache.config.checks.distribution import check_distribution
from edgecache.config.model import Behavior, Distribution, Origin
from edgecache.config.problems import Problems

ALL = ("GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE")
READ = ("GET", "HEAD")


@pytest.mark.parametrize(
    ("grpc", "methods", "version", "message"),
    [
        (True, ALL, "http2", ""),
        (True, ALL, "http2and3", ""),
        (True, READ, "http2", "calls are POST, which is not in allowed_methods: list all"),
        (True, ALL, "http1.1", 'http_version "http1.1" is not one of "http2", "http2and3"'),
        (True, ALL, "http3", 'http_version "http3" is not one of "http2", "http2and3"'),
        (False, READ, "http1.1", ""),
    ],
)
def test_calls_need_post_and_http2(
    grpc: bool, methods: tuple[str, ...], version: str, message: str
) -> None:
    behavior = Behavior(origin="o", allowed_methods=methods, grpc=grpc)
    origins = (Origin(id="o", domain_name="o.test", protocol="h2"),)
    site = Distribution(id="E", origins=origins, default_behavior=behavior, http_version=version)
    problems = Problems()
    check_distribution(site, "d", problems)
    found = [(one.where, one.message) for one in problems.found]
    assert [where for where, _ in found] == (["d.default_behavior.grpc"] if message else [])
    assert all(text.endswith(message) for _, text in found)
