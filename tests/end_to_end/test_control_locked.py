"""Another process holds the lock on `control.sqlite`: hits go on, and nothing is half done."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

from edgecache.cluster.lease import LEASE_S
from edgecache.control.nodes.barrier import DRIFT_S
from tests.end_to_end.installation import make_installation, start_up
from tests.end_to_end.viewers import curl

HELD_S = 5.0  # the sqlite3 module's own wait, longer than a lease
QUICK_S = 1.0  # of curl and of a busy machine; control slept for 5 s, again and again


def test_hits_stay_hits_while_another_process_holds_the_state(tmp_path: Path) -> None:
    installation = make_installation(tmp_path, workers=1)
    up = start_up(installation)
    assert HELD_S > LEASE_S + DRIFT_S
    page = f"{up.lhr}/index.html"
    for _ in range(2):
        curl(page)
    database = sqlite3.connect(installation.state / "control.sqlite", isolation_level=None)
    with contextlib.closing(database):
        database.execute("BEGIN IMMEDIATE")
        code, _, wrong = installation.run("invalidate", "ESITE", "/index.html", "--no-wait")
        assert code == 1
        assert "another process holds it" in wrong
        until = time.monotonic() + HELD_S
        while time.monotonic() < until:
            assert curl(page).fields["x-cache"] == "Hit from cloudfront"
            for path in ("/health", "/metrics", "/nodes"):
                began = time.monotonic()
                assert curl(f"{installation.control}{path}").status == 200
                assert time.monotonic() - began < QUICK_S
        database.execute("ROLLBACK")
    code, said, wrong = installation.run("invalidate", "ESITE", "/index.html")
    assert (code, "Completed" in said) == (0, True), wrong
    assert curl(page).fields["x-cache"] == "Miss from cloudfront"
    assert up.process.stop() == 0, up.process.stderr
