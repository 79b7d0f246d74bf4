"""A regional cache that ends, however it ends, comes back with what it had."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import pytest

from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.processes import wait_for
from tests.end_to_end.viewers import curl, wait_until_regional_is_asked


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """An installation of its own, whose regional cache has a disk."""
    running = start_up(make_installation(tmp_path_factory.mktemp("warm"), workers=1))
    yield running
    assert running.process.stop() == 0, running.process.stderr


def on_disk(up: Up) -> int:
    """How many objects regional has told that it has on disk."""
    told = curl(f"{up.installation.control}/metrics").body.decode()
    found = re.search(r"^edgecache_disk_objects\{[^}]*regional[^}]*\} (\S+)$", told, re.MULTILINE)
    return int(float(found[1])) if found else 0


@pytest.mark.parametrize(
    ("number", "path"),
    [(signal.SIGKILL, "/about.html"), (signal.SIGTERM, "/robots.txt")],
    ids=["SIGKILL", "SIGTERM"],
)
def test_what_it_had_is_not_asked_for_again(up: Up, number: signal.Signals, path: str) -> None:
    before = on_disk(up)
    first = curl(f"{up.lhr}{path}")
    assert (first.status, first.x_cache) == (200, "Miss")
    wait_for("it is on disk", lambda: on_disk(up) > before)
    pid = int(up.node("regional")["pid"])
    os.kill(pid, number)

    def is_back() -> bool:
        node = up.node("regional")
        return bool(node["alive"]) and node["pid"] != pid

    wait_for("regional is back", is_back)
    wait_until_regional_is_asked(up.nrt)
    again = curl(f"{up.nrt}{path}")  # another edge, which has nothing
    told = again.fields["cache-status"]
    assert (again.status, again.x_cache, again.body) == (200, "Hit", first.body), told
    assert re.match(r"regional; hit; ttl=\d+; detail=disk, ", told), told
