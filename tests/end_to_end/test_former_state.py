"""`up` on the state of the former release: one distribution answers 503, all others serve."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.control.test_former_state import ACL, FUNCTION, STATE
from tests.end_to_end.installation import make_installation
from tests.end_to_end.viewers import curl


def test_up_starts_on_what_the_former_release_left(tmp_path: Path) -> None:
    installation = make_installation(tmp_path, workers=1)
    installation.state.mkdir(mode=0o700, exist_ok=True)
    with closing(sqlite3.connect(installation.state / "control.sqlite")) as made:
        made.executescript(STATE.read_text())
    up = installation.start("up", "--json")
    up.until("all answer", lambda: up.stdout.strip())
    edge = f"http://127.0.0.1:{installation.ports.lhr}/"

    def status(host: str) -> int:
        return curl(edge, "-H", f"Host: {host}").status

    assert status("127.0.0.1") == 200
    assert status("function.test") == 503
    assert status("a.acl.test") == 503
    assert status("off.test") == 403
    nodes = json.loads(curl(f"{installation.control}/nodes").body)
    assert FUNCTION in [one["distribution"] for one in nodes["unavailable"]]
    code, _, wrong = installation.run("reload")
    assert code == 0, wrong
    text = installation.config.read_text()
    installation.config.write_text('unsupported = "ignore"\n' + text)
    assert installation.run("reload")[0] == 0
    up.until("it is served", lambda: status("a.acl.test") != 503)
    assert status("function.test") == 503  # a function that is not there is never passed over
    assert up.stop() == 0
    assert up.stderr.count(f"distribution {ACL} answers 503") == 1
    assert "Traceback" not in up.stderr
