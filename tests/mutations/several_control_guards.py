"""The guards of several controls on one database: order, histories, and one change at a time."""

from __future__ import annotations

from tests.mutations.guard import Guard

CONTROLS = "tests/control/state/test_postgresql_several_controls.py"

SEVERAL_CONTROL_GUARDS = (
    Guard(
        "another history is known by its marks",
        "control/state/commit_marks.py",
        "(newest >= seen.revision and mark == seen.mark)",
        "newest >= seen.revision",
        "test_another_history_",
        CONTROLS,
    ),
    Guard(
        "a promoted standby gives no number that may have been lost",
        "control/state/postgresql.py",
        "self._pass_lost_numbers()",
        "pass",
        "test_a_promoted_standby_gives_",
        "tests/control/state/test_postgresql_timeline.py",
    ),
    Guard(
        "what others committed is read before anything is written",
        "control/state/postgresql.py",
        "self._take_in(int(revision) - 1)",
        "self._seen = SeenCommit(int(revision) - 1, '')",
        "test_what_another_control_writes_",
        CONTROLS,
    ),
    Guard(
        "a log that lacks what was seen is begun anew",
        "control/state/postgresql.py",
        "self._begin_epoch()",
        "pass",
        "test_a_log_that_lacks_",
        CONTROLS,
    ),
    Guard(
        "entries of others are followed as one commit left them",
        "control/state/log.py",
        'state.on_change(("log", "told"), self._follow)',
        "",
        "test_numbers_of_eight_",
        CONTROLS,
    ),
    Guard(
        "a stopped control does not hold up the others",
        "control/state/postgresql_connection.py",
        "'idle_in_transaction_session_timeout', ",
        "'lock_timeout', ",
        "test_a_control_that_is_silent_",
        CONTROLS,
    ),
)
