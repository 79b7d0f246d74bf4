"""Lines of the access log that wait for their writer are part of what a process holds."""

from __future__ import annotations

from edgecache.store.memory_account import MemoryHolding
from tests.world.play import Play


def test_lines_that_wait_for_the_log_are_counted_and_nobody_is_refused_for_them(
    play: Play,
) -> None:
    play.viewer("a").asks("/a")
    play.origin.answers(200, "a")
    play.listener.sweep()
    assert play.account.held[MemoryHolding.LOGS] == play.access_log.queued_bytes > 0
    assert play.account.total == 0
    play.access_log.flush()
    play.advance(2)
    assert play.account.held[MemoryHolding.LOGS] == 0
