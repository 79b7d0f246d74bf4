"""Section 11 with real processes: viewers get the right bytes meanwhile, and all is well after."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from edgecache.config.model import SemanticsName
from tests.hostile.faulty_site import Clock, ClockRow, FaultRow, Site
from tests.hostile.rows_faults import CLOCKS, FAULTS
from tests.hostile.rows_loads import LOADS
from tests.hostile.settings import BOTH, LONG
from tests.world.wire import SEED

pytestmark = pytest.mark.end_to_end


SiteBy = Callable[[SemanticsName], Site]


@pytest.fixture(scope="module")
def site_by(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteBy]:
    """The installation of a set of rules: one for all rows that meet it, one at a time."""
    running: dict[SemanticsName, Site] = {}

    def site(rules: SemanticsName) -> Site:
        if rules not in running:
            while running:
                running.popitem()[1].stop()
            running[rules] = Site(tmp_path_factory.mktemp("faulty_site"), rules)
        return running[rules]

    yield site
    for one in running.values():
        one.stop()


def _parameters() -> list[object]:
    """Real processes take seconds for a row: it meets one set of rules, which is the seed's.

    All of one set come first, so that each has one installation.
    """
    found: list[object] = []
    for rules in BOTH:
        for row in (*FAULTS, *LOADS):
            chosen = random.Random(f"{SEED} {row.id} {row.what}").choice(BOTH)
            if LONG or rules == chosen:
                name = f"{row.id}-{row.what}-{rules}"
                found.append(pytest.param(row, rules, id=name))
    return found


@pytest.mark.parametrize(("row", "rules"), _parameters())
def test_viewers_are_served(row: FaultRow, rules: SemanticsName, site_by: SiteBy) -> None:
    assert row.play(site_by(rules))


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
