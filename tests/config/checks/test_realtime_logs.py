"""Checks of real-time logs and their streams."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.checks.realtime_logs import (
    STREAMS_MAX,
    check_realtime_logs,
    realtime_log_warnings,
)
from edgecache.config.model import Behavior, Config, Distribution, Origin
from edgecache.config.observation import RealtimeLog, RealtimeLogStream
from edgecache.config.problems import Problems

STREAM = RealtimeLogStream(stream="one", to="tcp://127.0.0.1:9")
LOG = RealtimeLog(name="all", stream="one")


def site(log: str) -> Distribution:
    behavior = Behavior(origin="o", path_pattern="/a/*", realtime_log=log)
    return Distribution(
        id="E1",
        origins=(Origin(id="o", domain_name="o.test"),),
        default_behavior=Behavior(origin="o", realtime_log=log),
        behaviors=(behavior,),
    )


def problems(config: Config) -> list[str]:
    found = Problems()
    check_realtime_logs(config, found)
    return [str(one) for one in found.found]


def config(**changed: Any) -> Config:
    usual = {"realtime_log_streams": (STREAM,), "realtime_logs": (LOG,)}
    return Config(**(usual | {"distributions": (site("all"),)} | changed))


def test_what_is_right_has_no_problem() -> None:
    assert problems(config()) == []
    assert problems(Config()) == []


@pytest.mark.parametrize(
    ("log", "problem"),
    [
        ({"name": "a b"}, 'realtime_logs[0].name: "a b" is not 1-64 of A-Z a-z 0-9 _ -'),
        (
            {"stream": "two"},
            'realtime_logs[0].stream: no realtime_log_streams of the file has "two"',
        ),
        (
            {"fields": ("c-ipp",)},
            'realtime_logs[0].fields[0]: "c-ipp" is not a field; did you mean',
        ),
        ({"fields": ("cs-accept",)}, '"cs-accept" is not known of requests here'),
        ({"fields": ("cmcd-version",)}, '"cmcd-version" is not known of requests here'),
        ({"fields": ("c-ip", "c-ip")}, 'realtime_logs[0].fields[1]: "c-ip" is named twice'),
    ],
)
def test_what_is_wrong_with_a_log(log: dict[str, Any], problem: str) -> None:
    made = RealtimeLog(**({"name": "all", "stream": "one"} | log))
    (found,) = problems(config(realtime_logs=(made,), distributions=()))
    assert problem in found


@pytest.mark.parametrize(
    "to",
    [
        "", "127.0.0.1:9", "tcp://127.0.0.1", "tcp://127.0.0.1:9/a", "tcp://:9", "unix:relative",
        "unix://host/path", "file:a", "ftp://a/", "http://", "http:///a", "tcp://a:99999",
        "http://a b/", "http://user:secret@a/",
    ],
)  # fmt: skip
def test_what_is_no_place(to: str) -> None:
    found = problems(config(realtime_log_streams=(RealtimeLogStream(stream="one", to=to),)))
    assert len(found) == 1
    assert found[0].startswith("realtime_log_streams[0].to: ")
    assert "secret" not in found[0]


@pytest.mark.parametrize(
    "to", ["tcp://[::1]:9", "tcp://logs.test:5170", "unix:/a/b", "file:/a", "https://a/b?c=d"]
)
def test_what_is_a_place(to: str) -> None:
    assert problems(config(realtime_log_streams=(RealtimeLogStream(stream="one", to=to),))) == []


def test_names_are_one_things_and_there_are_so_many() -> None:
    assert "named twice" in problems(config(realtime_logs=(LOG, LOG)))[0]
    assert "named twice" in problems(config(realtime_log_streams=(STREAM, STREAM)))[0]
    streams = tuple(RealtimeLogStream(stream=f"s{n}", to="file:/a") for n in range(STREAMS_MAX + 1))
    found = problems(Config(realtime_log_streams=streams))
    assert found == [f"realtime_log_streams: {STREAMS_MAX + 1} are more than {STREAMS_MAX}"]


def test_behaviors_name_logs_that_are_there() -> None:
    why = 'realtime_log: "none" is not a real-time log (known: "all")'
    assert problems(config(distributions=(site("none"),))) == [
        f"distributions[0].default_behavior.{why}",
        f"distributions[0].behaviors[0].{why}",
    ]


def test_a_certificate_is_of_https() -> None:
    stream = RealtimeLogStream(stream="one", to="http://127.0.0.1/", ca_file="a.pem")
    assert problems(config(realtime_log_streams=(stream,))) == [
        "realtime_log_streams[0].ca_file: is of an https:// URL"
    ]


@pytest.mark.parametrize(
    ("to", "clear"),
    [
        ("tcp://logs.test:1", True), ("http://logs.test/", True), ("https://logs.test/", False),
        ("tcp://127.0.0.1:1", False), ("unix:/a", False), ("file:/a", False),
    ],
)  # fmt: skip
def test_what_goes_in_clear_is_told(to: str, clear: bool) -> None:
    made = Config(realtime_log_streams=(RealtimeLogStream(stream="one", to=to),))
    assert bool([*realtime_log_warnings(made)]) is clear
