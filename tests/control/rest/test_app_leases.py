"""Leases of a control whose database another may replace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache.cluster.lease import LEASE_S
from edgecache.control.nodes.barrier import DRIFT_S, Barrier
from edgecache.control.state.migrations import BEFORE
from tests.control.rest.test_app import Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.state.close()


def test_no_lease_is_given_that_a_database_may_not_stand_for(place: Place) -> None:
    """Reading does not prove that it is the one that others write to: a commit does."""
    place.barrier.remove(BEFORE)
    place.state.trusted_s = 2.0
    for age_s, status in ((0.0, 200), (2.0, 200), (2.1, 503), (float("inf"), 503)):
        place.state.committed_at = place.now - age_s
        assert place.hear("GET", "/log?after=0").status_code == status, age_s
        place.log.append("invalidation", {})
        assert place.barrier.applied_everywhere(place.log.last_seq) == (status == 503), age_s
        place.now += LEASE_S + DRIFT_S
    place.state.committed_at = place.now
    assert place.hear("GET", "/log?after=0").status_code == 200


def test_who_had_a_lease_of_a_control_before_is_waited_for_as_long_as_it_may_last(
    place: Place,
) -> None:
    place.state.trusted_s = 2.0
    barrier = Barrier(place.state, place.clock)
    place.now += LEASE_S + DRIFT_S
    assert not barrier.applied_everywhere(1)
    place.now += 2.0
    assert barrier.applied_everywhere(1)
