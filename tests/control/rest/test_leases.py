"""The log over HTTP, and leases of a control whose database others write to, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from edgecache.cluster.lease import LEASE_S
from edgecache.cluster.log_entries import PROTOCOL, read_page
from edgecache.config.model import Config, Reserve
from edgecache.control.nodes.barrier import DRIFT_S, Barrier
from edgecache.control.nodes.control_group import ControlGroup, ControlIdentity
from edgecache.control.rest import leases
from edgecache.control.state.database_thread import run_inline
from edgecache.control.state.migrations import BEFORE
from tests.control.rest.test_app import Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.state.close()


def test_who_had_a_lease_of_a_control_before_is_waited_for_as_long_as_it_may_last(
    place: Place,
) -> None:
    place.state.trusted_s = 2.0
    barrier = Barrier(place.state, place.clock)
    place.now += LEASE_S + DRIFT_S
    assert not barrier.applied_everywhere(1)
    place.now += 2.0
    assert barrier.applied_everywhere(1)


@pytest.fixture
def grouped(place: Place) -> ControlGroup:
    """The same place, as one of several controls, which has waited out all that was before it."""
    me = ControlIdentity("m", "m.1", "m:8090")
    place.barrier = Barrier(place.state, place.clock, me.instance)
    place.barrier.remove(BEFORE)
    group = ControlGroup(me, place.state, place.barrier, place.log)
    place.serve(run_inline, group)
    return group


def beat(place: Place, group: ControlGroup) -> None:
    with place.state.writing():
        group.beat()


def ask(place: Place, **query: object) -> httpx.Response:
    spoken = {"after": 0, "protocol": PROTOCOL} | query
    return place.hear("GET", f"/log?{urlencode(spoken)}")


def test_no_lease_is_given_that_a_database_may_not_stand_for(
    place: Place, grouped: ControlGroup
) -> None:
    """Reading does not prove that it is the one that others write to: a commit does."""
    assert ask(place).status_code == 503
    for age_s, lease_s in ((0.0, LEASE_S), (2.0, 1.0), (2.9, 0.1)):
        beat(place, grouped)
        place.now += age_s
        page = read_page(ask(place).content)
        assert page.lease_s == pytest.approx(lease_s), age_s
        seq = place.log.append("invalidation", {})
        assert not place.barrier.applied_everywhere(seq)
        place.now += lease_s + DRIFT_S + 0.001
        assert place.barrier.applied_everywhere(seq)
    assert ask(place).status_code == 503


def test_a_lease_says_nothing_where_there_is_one_control(place: Place) -> None:
    assert b"lease_s" not in ask(place).content


def test_who_knows_more_than_this_control_is_sent_on(
    place: Place, grouped: ControlGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another control told it; here it is not read yet, and nothing is granted meanwhile."""
    monkeypatch.setattr(leases, "BEAT_S_MAX", 0.0)
    beat(place, grouped)
    answer = ask(place, after=place.log.last_seq + 1)
    assert (answer.status_code, answer.json()["error"]) == (
        503,
        "another control knows more: number 1 has not been heard of here yet",
    )


def test_a_former_node_gets_a_lease_from_a_beat_that_began_after_it_asked(
    place: Place, grouped: ControlGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts all of LEASE_S from before it asked, whatever it is told."""
    beat(place, grouped)
    place.now += 1.0
    waited: list[float] = []

    async def next_beat(moment: float, _timeout_s: float) -> None:
        waited.append(moment)
        beat(place, grouped)

    monkeypatch.setattr(grouped, "wait_for_beat", next_beat)
    page = read_page(ask(place, protocol=2).content)
    assert (page.lease_s, waited) == (LEASE_S, [place.now])


def test_a_node_of_another_history_begins_anew(place: Place, grouped: ControlGroup) -> None:
    """The number it has is there, and another entry's: it gets no lease with it."""
    seq = place.log.append("invalidation", {"distribution": "E", "items": []})
    beat(place, grouped)
    mark = place.log.mark_of(seq)
    ours = {"epoch": place.log.epoch, "instance": "i", "after": seq}
    same = read_page(ask(place, **ours, mark=mark).content)
    assert (same.epoch, same.upto) == (place.log.epoch, seq)

    other = read_page(ask(place, **ours | {"instance": "j"}, mark="00" * 8).content)
    assert other.epoch != place.log.epoch
    assert (other.entries, other.upto) == ([], 0)
    anew = read_page(ask(place, epoch=other.epoch, instance="j").content)
    assert (anew.epoch, anew.upto) == (place.log.epoch, seq)


def test_a_number_that_is_not_there_yet_is_not_acknowledged(
    place: Place, grouped: ControlGroup
) -> None:
    """Whatever gets it here later is not what the node has."""
    beat(place, grouped)
    seq = place.log.live.last_seq + 1
    ask(place, epoch=place.log.epoch, instance="i")  # it has a lease
    ask(place, epoch=place.log.epoch, instance="i", after=seq, mark="00" * 8)
    assert place.log.append("invalidation", {"distribution": "E", "items": []}) == seq
    assert not place.barrier.applied_everywhere(seq)


def test_with_a_reserve_what_every_node_has_swept_is_told_on(place: Place) -> None:
    """Nobody sweeps a bucket: what is in it is judged by what came since it was written."""
    place.barrier.remove(BEFORE)
    reserve = Reserve(endpoint="https://s3.test", bucket="cold", retention_s=1_000)
    for _ in range(2):
        place.now += 2_000
        for _ in range(leases.TRIMMED_AT_ONCE + 1):
            last = place.log.append("invalidation", {})

    def swept(config: Config) -> int:
        """A node has them all, and nothing older."""
        object.__setattr__(place.control, "configured", lambda: config)
        for _ in range(2):  # it has a lease by the second time
            assert ask(place, after=last, low=last).status_code == 200
        return place.log.live.floor

    assert swept(Config(reserve=reserve)) == last // 2
    assert swept(Config()) == last


def test_a_node_that_came_back_has_not_left(place: Place) -> None:
    """What it said when it left arrives when another poll has given it a lease."""
    about = urlencode({"instance": "1", "poll": 2})
    for poll in (1, 2, 3):
        assert ask(place, instance="1", poll=poll).status_code == 200
    seq = place.log.append("invalidation", {})
    assert place.hear("POST", f"/nodes/regional/leave?{about}").status_code == 200
    assert "regional" in place.barrier.waiting_for(seq)
    left = about.replace("poll=2", "poll=3")
    assert place.hear("POST", f"/nodes/regional/leave?{left}").status_code == 200
    assert "regional" not in place.barrier.waiting_for(seq)
