"""Section 11 with real processes: viewers get the right bytes meanwhile, and all is well after."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hostile.faulty_site import Clock, ClockRow, FaultRow, Site
from tests.hostile.rows_faults import CLOCKS, FAULTS
from tests.hostile.rows_loads import LOADS

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("faulty_site"))
    yield made
    made.stop()


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=f"{row.id}-{row.what}") for row in (*FAULTS, *LOADS)]
)
def test_viewers_are_served(row: FaultRow, site: Site) -> None:
    assert row.play(site)


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in clock.environment.items():
            patch.setenv(name, value)
        made = Site(tmp_path_factory.mktemp("timed_site"))
        yield made
        clock.set(0)
        said = made.stop()
        assert "Traceback" not in said, said


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row.id}-{row.what}") for row in CLOCKS])
def test_whatever_the_clock_says(row: ClockRow, timed: Site, clock: Clock) -> None:
    assert row.play(timed, clock)
