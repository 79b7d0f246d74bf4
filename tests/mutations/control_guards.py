"""The laws of several controls on one database: where each stands, which simulation needs it."""

from __future__ import annotations

from tests.mutations.guard import Guard
from tests.mutations.several_control_guards import SEVERAL_CONTROL_GUARDS

SEVERAL = "tests/simulation/test_several_controls.py"
POSTGRESQL = "control/state/postgresql.py"
GROUP = "control/nodes/control_group.py"
MARKS = "control/state/commit_marks.py"
BARRIER = "control/nodes/barrier.py"

CONTROL_GUARDS = (
    *SEVERAL_CONTROL_GUARDS,
    Guard(
        "numbers are of a row that is locked",  # a sequence's are not in the order of commits
        POSTGRESQL,
        "WITH number AS (UPDATE head SET seq = seq + 1 RETURNING seq)",
        "WITH number AS (SELECT nextval('log') AS seq)",
        "test_what_another_control_wrote_",
        SEVERAL,
        (
            (POSTGRESQL, "SELECT seq FROM head", "SELECT coalesce(max(seq), 0) FROM log"),
            (
                MARKS,
                'UPDATE head SET revision = revision + 1"\n    " RETURNING revision,',
                "SELECT nextval('revision'),",
            ),
            (
                MARKS,
                "SELECT revision, (SELECT mark FROM commits WHERE revision = %s) FROM head",
                "SELECT max(revision), (SELECT mark FROM commits WHERE revision = %s) FROM commits",
            ),
            (MARKS, "if last.revision != upto:", "if False:"),
        ),
    ),
    Guard(
        "what others committed is read before anything is written",
        POSTGRESQL,
        "        self._take_in(int(revision) - 1)\n",
        "",
        "test_what_another_control_wrote_",
        SEVERAL,
    ),
    Guard(
        "a notification is followed by a read",
        "control/state/change_notifications.py",
        "await self._run(self._state.follow)",
        "pass",
        "test_at_once_",
        SEVERAL,
    ),
    Guard(
        "a cancelled commit is not believed",
        POSTGRESQL,
        "if self._warned:",
        "if False:",
        "test_a_cancelled_wait_",
        SEVERAL,
    ),
    Guard(
        "a lease of a control is of a commit",
        GROUP,
        "return max((at for n, at in self._beats if n <= seq), default=NEVER) + LEASE_S",
        "return self._clock() + LEASE_S",
        "test_a_deposed_primary_",
        SEVERAL,
    ),
    Guard(
        "no lease outlives that of who grants it",
        BARRIER,
        "end = min(now + LEASE_S, nested)",
        "end = now + LEASE_S",
        "test_who_follows_a_silent_control_",
        SEVERAL,
    ),
    Guard(
        "a control that is silent is waited for",
        GROUP,
        "return now >= self.seen_at + ENDS_S",
        "return True",
        "test_who_follows_a_silent_control_",
        SEVERAL,
    ),
    Guard(
        "an entry's mark is compared",
        "control/rest/leases.py",
        "return mark == (known or await self._control.run(partial(self._log.mark_of, after)))",
        "return True",
        "test_a_node_of_another_history_",
        "tests/control/rest/test_leases.py",
    ),
    Guard(
        "clocks may drift",
        BARRIER,
        "DRIFT_S = 0.1",
        "DRIFT_S = 0.0",
        "test_clocks_may_differ_",
        "tests/simulation/test_barrier.py",
    ),
    Guard(
        "what a control acknowledges counts the leases of who went away",
        BARRIER,
        "lasting = (number for number, end in self.leases if now < end)",
        "lasting: tuple[int, ...] = ()",
        "test_who_left_a_control_",
        SEVERAL,
    ),
    Guard(
        "nodes of a dead control are taken over",
        GROUP,
        "nobodys = {*self._orphans(alive)}",
        "nobodys: set[Instance] = set()",
        "test_who_serves_without_a_lease_",
        SEVERAL,
        ((GROUP, "yield from (node.name for node in self._orphans(alive))", "pass"),),
    ),
)
