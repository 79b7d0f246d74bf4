"""The disk store: what is put is found, across restarts, and trouble makes misses."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.http.message import Response
from edgecache.store.disk.engine import DiskBudget, DiskEngine, check
from edgecache.store.disk.files import RealFiles
from edgecache.store.disk.index import DiskIndex
from edgecache.store.disk.pending_changes import FormerRow, RecheckedEntry
from edgecache.store.disk.record import PIECE_BYTES
from edgecache.store.entry import Entry
from tests.store.disk.disk_world import FILED, KEY, SMALL, DiskStage, entry, found, put
from tests.store.disk.faults import Faults, FaultyFiles


@pytest.mark.parametrize("size", [0, SMALL, FILED])
def test_an_entry_comes_back_as_it_was_after_a_restart(stage: DiskStage, size: int) -> None:
    put(stage, entry(size=size))
    stage.restart()
    back = found(stage)
    assert back is not None
    assert (back.key, back.head, back.body) == (KEY, entry().head, entry(size=size).body)
    assert (back.selected, back.part, back.stored) == ((), None, None)


def test_variants_stand_side_by_side(stage: DiskStage) -> None:
    put(stage, entry(version=1, language="de"), entry(version=2, language="en"))
    stage.restart()
    for language, version in (("de", 1), ("en", 2)):
        back = found(stage, accept_language=language)
        assert back is not None
        assert back.body == entry(version=version).body
    assert found(stage, accept_language="fr") is None


def test_an_entry_takes_the_place_of_the_former_one(stage: DiskStage) -> None:
    put(stage, entry(version=1, size=FILED))
    put(stage, entry(version=2, size=FILED))
    assert stage.counters.disk_objects == 1
    stage.restart()
    back = found(stage)
    assert back is not None
    assert back.body == entry(version=2, size=FILED).body


def test_a_new_head_on_the_same_body_writes_no_body(tmp_path: Path) -> None:
    faults = Faults()
    stage = DiskStage(tmp_path / "disk", files=FaultyFiles(faults))
    put(stage, entry(size=FILED))
    files = set(faults.unsynced)
    faults.unsynced.clear()
    head = Response(200, b"OK", ((b"etag", b'"1"'), (b"age", b"0")), 9.0, 9.5)
    again = Entry(KEY, head, entry(size=FILED).body)
    put(stage, again)
    assert files
    assert not faults.unsynced
    stage.restart()
    back = found(stage)
    assert back is not None
    assert (back.head.received_at, back.body) == (9.5, again.body)
    stage.close()


def test_what_waits_to_be_written_is_found(stage: DiskStage) -> None:
    stage.store.put(entry())
    assert found(stage) is not None


def test_what_is_removed_is_gone(stage: DiskStage) -> None:
    put(stage, entry(size=FILED))
    stage.store.remove(KEY)
    assert found(stage) is None
    stage.settle()
    stage.restart()
    assert found(stage) is None
    assert stage.counters.disk_objects == 0


def test_a_look_under_way_does_not_find_what_was_removed_meanwhile(stage: DiskStage) -> None:
    put(stage, entry())
    stage.threads.holding = True
    look = stage.begin(stage.store.find(KEY, ()))
    stage.store.remove(KEY)
    stage.settle()
    stage.threads.let_go()
    stage.settle()
    assert look.result() is None


def test_a_walk_that_ends_meanwhile_did_not_check_what_a_look_brings(stage: DiskStage) -> None:
    """It may have removed it: the row was read before."""
    put(stage, entry())
    stage.threads.holding = True
    look = stage.begin(stage.store.find(KEY, ()))
    stage.store.amend([RecheckedEntry(stage.marks.spell(5))])
    stage.settle()
    assert stage.store.checked == 5
    stage.threads.let_go()
    stage.settle()
    back = look.result()
    assert back is not None
    assert back.mark == 0


def test_of_two_looks_under_way_the_slower_finds_what_was_put_meanwhile(stage: DiskStage) -> None:
    put(stage, entry(version=1))
    stage.threads.holding = True
    slower, quicker = stage.begin(stage.store.find(KEY, ())), stage.begin(stage.store.find(KEY, ()))
    stage.threads.let_go_last()
    stage.settle()
    assert quicker.done()
    put(stage, entry(version=2))
    stage.threads.let_go()
    stage.settle()
    again = slower.result()
    assert again is not None
    assert again.body == entry(version=2).body


def test_a_look_under_way_finds_what_was_put_meanwhile(stage: DiskStage) -> None:
    put(stage, entry(version=1))
    stage.threads.holding = True
    look = stage.begin(stage.store.find(KEY, ()))
    put(stage, entry(version=2))
    stage.threads.let_go()
    stage.settle()
    back = look.result()
    assert back is not None
    assert back.body == entry(version=2).body


def test_a_large_body_is_read_in_pieces(stage: DiskStage) -> None:
    stage.store.engine.budget = DiskBudget(10**8)
    large = entry(size=2 * PIECE_BYTES + 5)
    put(stage, large)
    stage.restart()
    back = found(stage)
    assert back is not None
    assert back.stored is not None
    assert (back.body, back.length) == (b"", len(large.body))
    pieces = [stage.run(stage.store.piece(back.stored, number)) for number in range(3)]
    assert b"".join(piece or b"" for piece in pieces) == large.body


def test_a_piece_that_decayed_is_not_given(stage: DiskStage) -> None:
    stage.store.engine.budget = DiskBudget(10**8)
    put(stage, entry(size=2 * PIECE_BYTES))
    back = found(stage)
    assert back is not None
    assert back.stored is not None
    path = next(stage.folder.glob("bodies/*/*"))
    with path.open("r+b") as file:
        file.seek(PIECE_BYTES + 7)
        file.write(b"?")
    assert stage.run(stage.store.piece(back.stored, 0)) is not None
    assert stage.run(stage.store.piece(back.stored, 1)) is None
    stage.settle()
    assert found(stage) is None
    assert stage.counters.disk_bad == 1


@pytest.mark.parametrize("size", [SMALL, FILED])
def test_a_body_that_decayed_is_a_miss(stage: DiskStage, size: int) -> None:
    put(stage, entry(size=size))
    stage.run(stage.store.close())
    where = stage.folder / "index.db" if size == SMALL else next(stage.folder.glob("bodies/*/*"))
    data = where.read_bytes()
    at = data.rindex(b"key 1 ")
    where.write_bytes(data[:at] + b"KEY" + data[at + 3 :])
    stage.store = stage._store()
    assert found(stage) is None
    stage.settle()
    assert stage.counters.disk_bad == 1
    assert stage.counters.disk_objects == 0


def test_the_budget_holds_and_what_is_used_stays(tmp_path: Path) -> None:
    stage = DiskStage(tmp_path / "disk", DiskBudget(20 * 24_576))
    put(stage, entry(b"loved", size=FILED))
    for number in range(100):
        put(stage, entry(b"once-%d" % number, size=FILED))
        assert stage.counters.disk_bytes <= stage.budget.bytes_max
        assert found(stage, b"loved") is not None
    assert stage.counters.disk_evicted > 70
    assert found(stage, b"once-1") is None
    stage.close()


def leaving(stage: DiskStage, *numbers: int) -> list[bool]:
    """Which of the entries of these numbers are there."""
    return [found(stage, b"%d" % number) is not None for number in numbers]


def filled_but_for_one(stage: DiskStage, due: dict[int, float]) -> None:
    """Four fit; all are used. `due`: when those of some numbers expire."""
    for number in range(4):
        one = entry(b"%d" % number, size=FILED)
        one.expires_at = due.get(number, 0.0)
        put(stage, one)
    assert leaving(stage, 0, 1, 2, 3) == [True] * 4


FOUR = DiskBudget(4 * 20_480 + 20_000)


def test_what_has_expired_leaves_first(tmp_path: Path) -> None:
    stage = DiskStage(tmp_path / "disk", FOUR)
    now = stage.clock.now
    filled_but_for_one(stage, {0: now + 100, 1: now - 20, 2: now - 10, 3: now + 100})
    put(stage, entry(b"4", size=FILED))
    assert leaving(stage, 0, 1, 2, 3, 4) == [True, False, True, True, True]
    put(stage, entry(b"5", size=FILED))
    assert leaving(stage, 0, 2, 3, 4, 5) == [True, False, True, True, True]
    stage.close()


def test_what_is_renewed_is_due_when_its_new_head_is(tmp_path: Path) -> None:
    stage = DiskStage(tmp_path / "disk", FOUR)
    now = stage.clock.now
    filled_but_for_one(stage, {2: now - 10, 3: now - 5})
    again = entry(b"2", size=FILED)
    again.expires_at = now + 100
    put(stage, again, entry(b"4", size=FILED))
    assert leaving(stage, 0, 1, 2, 3, 4) == [True, True, True, False, True]
    stage.close()


def test_what_is_of_a_former_release_leaves_first_until_it_is_activated(tmp_path: Path) -> None:
    stage = DiskStage(tmp_path / "disk", FOUR)
    filled_but_for_one(stage, {})
    third, fourth = stage.run(stage.store.heads(2, 2)) or []
    stage.store.amend([FormerRow(third.id, former=True), FormerRow(fourth.id, former=True)])
    stage.settle()
    stage.restart()
    stage.store.amend([FormerRow(third.id, former=False)])
    stage.settle()
    heads = stage.run(stage.store.heads(0, 9)) or []
    assert [head.former for head in heads] == [False, False, False, True]
    assert leaving(stage, 0, 1, 2, 3) == [True] * 4
    put(stage, entry(b"4", size=FILED))
    assert leaving(stage, 0, 1, 2, 3, 4) == [True, True, True, False, True]
    stage.close()


def test_an_index_from_before_there_was_an_order_is_opened_as_it_is(tmp_path: Path) -> None:
    stage = DiskStage(tmp_path / "disk", FOUR)
    filled_but_for_one(stage, {})
    stage.store.engine.index._writer.execute("DROP TABLE due")
    stage.restart()
    assert leaving(stage, 0, 1, 2, 3) == [True] * 4
    stage.store.amend([FormerRow(3, former=True)])
    stage.settle()
    put(stage, entry(b"4", size=FILED))
    assert leaving(stage, 0, 1, 2, 3, 4) == [True, True, False, True, True]
    stage.close()


def test_two_processes_do_not_share_a_folder(stage: DiskStage) -> None:
    put(stage, entry())
    other = DiskEngine(str(stage.folder), RealFiles(), stage.budget)
    with pytest.raises(BlockingIOError, match="another process"):
        other.open()


def test_an_index_of_another_version_is_begun_anew(tmp_path: Path) -> None:
    index = DiskIndex(str(tmp_path / "index.db"))
    index._writer.execute("PRAGMA user_version=99")
    index.close()
    engine = DiskEngine(str(tmp_path), RealFiles(), DiskBudget(10**6))
    engine.open()
    check(engine)
    engine.close()
