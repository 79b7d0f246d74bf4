"""Fixtures: a play for each test, proved clean after it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import settings

from tests.measurements import told
from tests.skips import SKIPS, unlisted
from tests.world.play import Play, Scene
from tests.world.wire import SEED, Setting, over_http2, over_http3, settings_of

settings.register_profile("shared-cores", deadline=None)  # a loaded machine is no failure
settings.load_profile("shared-cores")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--share", default="1/1", help="of all files of tests, the K-th of N parts by name: K/N"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Keep to the share that was asked for: files fall to shares by name, the same each time.

    What is of another share is not even imported, which takes as long as a tenth of the tests.
    """
    part, _, parts = config.getoption("--share").partition("/")
    if not collection_path.match("test_*.py"):
        return None
    name = str(collection_path.relative_to(config.rootpath))
    return crc32(name.encode()) % int(parts) + 1 != int(part) or None


def pytest_collection_finish() -> None:
    """Set aside what stays to the end: millions of objects, which each look for garbage walks."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> None:
    """What a test has measured goes with its report, from another process too."""
    while told():
        item.user_properties.append(("measured", told().pop(0)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was measured, without a verdict of its own."""
    reports = [one for some in terminalreporter.stats.values() for one in some]
    lines = [
        line
        for report in reports
        if getattr(report, "when", "") == "teardown" or getattr(report, "failed", False)
        for name, line in getattr(report, "user_properties", ())
        if name == "measured"
    ]
    if lines:
        terminalreporter.section("measured")
        for line in dict.fromkeys(lines):
            terminalreporter.line(line)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skip that is not listed fails the run: a check that did not run is no check."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or reporter is None or hasattr(session.config, "workerinput"):
        return
    skipped = [(one.nodeid, str(one.longrepr)) for one in reporter.stats.get("skipped", [])]
    refused = unlisted(skipped, SKIPS.read_text())
    if refused:
        reporter.write_line("")
        for line in refused:
            reporter.write_line(f"skipped in CI, and not listed in {SKIPS.name}: {line}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


# Plays of freshness and of sharing: each runs with one tier and with two, on four wires.
OF_SHARING = frozenset({
    "test_fill_sharing",
    "test_freshness_and_validation",
    "test_head_requests",
    "test_partial_entries",
    "test_ranges",
    "test_request_collapsing",
    "test_request_directives",
    "test_stale_permission",
    "test_stale_responses",
    "test_storability",
    "test_unsafe_methods",
    "test_validation",
    "test_variants",
})  # fmt: skip

# Plays that no byte of HTTP/1.1 is in: each runs once more over HTTP/2, to the same end.
OF_HTTP2 = frozenset({
    "test_age_across_tiers",
    "test_cache_status",
    "test_continuous_deployment",
    "test_custom_errors",
    "test_distributions",
    "test_entry_update",
    "test_failover",
    "test_freshness_and_validation",
    "test_functions",
    "test_head_updates",
    "test_invalidation_kinds",
    "test_invalidation_races",
    "test_ranges",
    "test_request_directives",
    "test_response_headers",
    "test_stale_responses",
    "test_storability",
    "test_unsafe_methods",
    "test_validation",
})  # fmt: skip

# There a body that stays away until somebody looks would change what is played.
NEVER_LATE = frozenset({"test_large_objects", "test_viewer_connection"})


def pytest_report_header() -> str:
    return f"wires of plays by seed {SEED}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every play runs with the memo and without, each time on another wire."""
    if "stage" not in metafunc.fixturenames:
        return
    module = metafunc.module.__name__.rpartition(".")[2]
    name = f"{module}::{metafunc.function.__name__}"
    settings = settings_of(name, tiers=module in OF_SHARING, late=module not in NEVER_LATE)
    if module in OF_HTTP2:
        settings = over_http3(name, over_http2(settings))
    metafunc.parametrize("stage", settings, ids=str, indirect=True)


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Iterator[Callable[..., Play]]:
    """Makes plays in the setting the test runs in; each must leave the stage clean."""
    plays: list[Play] = []
    setting: Setting = request.param

    def make(**scene: Any) -> Play:
        if setting.tiers is not None:
            scene.setdefault("regional", setting.tiers == 2)
        scene = {"memo": setting.memo, "wire": setting.wire, "http2": setting.http2, **scene}
        scene["http3"] = setting.http3
        plays.append(Play(Scene(**scene)))
        return plays[-1]

    yield make
    for play in plays:
        play.close()


@pytest.fixture
def play(stage: Callable[..., Play]) -> Play:
    """A play with one tier under CloudFront's rules."""
    return stage()


@pytest.fixture
def rfc(stage: Callable[..., Play]) -> Play:
    """A play with one tier under RFC 9111's rules."""
    return stage(semantics="rfc9111")


@pytest.fixture
def two_tiers(stage: Callable[..., Play]) -> Play:
    """A play with an edge in front of a regional cache."""
    return stage(regional=True)
