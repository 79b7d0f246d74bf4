"""What control says when it starts: of a file that does not fit, and of where it listens."""

from __future__ import annotations

import json
from pathlib import Path

from tests.control.cloudfront.desk import site
from tests.end_to_end.installation import make_installation
from tests.end_to_end.processes import listens


def test_control_says_what_does_not_go_together(tmp_path: Path) -> None:
    installation = make_installation(tmp_path, workers=1)
    control = installation.start("control")
    control.until("control listens", lambda: listens(installation.ports.control))
    document = tmp_path / "dist.json"
    mine = site("mine", Aliases={"Quantity": 1, "Items": ["mine.test"]})
    document.write_text(json.dumps(mine))
    code, said, wrong = installation.run("distributions", "create", str(document), "--no-wait")
    assert code == 0, wrong
    id = said.split()[0]
    good = installation.config.read_text()
    installation.config.write_text(good.replace('"tree.test"', '"tree.test", "mine.test"'))
    code, _, wrong = installation.run("reload")
    assert (code, f"distribution {id} (made over the API)" in wrong) == (2, True), wrong
    assert control.stop() == 0
    again = installation.start("control")
    assert again.ended() == 2
    assert f"distribution {id} (made over the API): aliases[0]:" in again.stderr
    assert "Traceback" not in again.stderr
    installation.config.write_text(good)
    last = installation.start("control")
    last.until("control listens", lambda: listens(installation.ports.control))
    assert id in installation.run("distributions", "list")[1]
    assert last.stop() == 0


def test_control_says_when_others_can_reach_it(tmp_path: Path) -> None:
    installation = make_installation(tmp_path, workers=1)
    port = installation.ports.control
    text = installation.config.read_text()
    for host, told in (("0.0.0.0", 1), ("localhost", 0)):
        changed = text.replace(f'listen = "127.0.0.1:{port}"', f'listen = "{host}:{port}"', 1)
        installation.config.write_text(changed)
        control = installation.start("control")
        control.until("control listens", lambda: listens(port))
        assert control.stop() == 0
        assert control.stderr.count(f"control.listen: 0.0.0.0:{port} is not on loopback") == told
