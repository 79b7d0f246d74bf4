"""Where control's database is named: never what opens it."""

from __future__ import annotations

import pytest

from edgecache.config.checks.site import check_control
from edgecache.config.model import Config, Control
from edgecache.config.problems import Problems


def lines(database: str) -> list[str]:
    problems = Problems()
    check_control(Config(control=Control(database=database)), problems)
    return [str(problem) for problem in problems.found]


@pytest.mark.parametrize("named", ["", "env:EDGECACHE_DATABASE", "file:/run/secrets/dsn"])
def test_a_reference_is_taken(named: str) -> None:
    assert lines(named) == []


@pytest.mark.parametrize(
    "named",
    ["postgresql://u:hunter2@db/edge", "host=db password=hunter2", "env:", "env:1A", "file:", "x"],
)
def test_a_connection_string_is_refused_and_not_repeated(named: str) -> None:
    (line,) = lines(named)
    assert line.startswith("control.database: a connection string holds a secret")
    assert '"env:NAME"' in line
    assert "hunter2" not in line
