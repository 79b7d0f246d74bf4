"""A stop lets requests in flight finish, and leaves nothing running."""

from __future__ import annotations

import hashlib
import signal
from pathlib import Path

import pytest

from tests.end_to_end.installation import make_installation, start_up
from tests.end_to_end.processes import listens, running_with, wait_for
from tests.end_to_end.viewers import RawViewer

MIB = 1024 * 1024
VIDEO_BYTES = 20 * MIB


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)]
)
def test_a_running_download_is_finished(tmp_path: Path, number: signal.Signals) -> None:
    installation = make_installation(tmp_path, workers=1)
    up = start_up(installation)
    pids = [int(node["pid"]) for node in up.told["nodes"]]
    whole = (tmp_path / "bucket" / "media" / "video.mp4").read_bytes()
    with RawViewer(installation.ports.lhr, receive_bytes_max=64 * 1024) as viewer:
        viewer.ask("/media/video.mp4", "127.0.0.1")
        status, fields = viewer.head()
        assert (status, int(fields["content-length"])) == (200, VIDEO_BYTES)
        read = hashlib.sha256(viewer.read(MIB))
        up.process.signal(number)
        wait_for("no new viewers", lambda: not listens(installation.ports.lhr))
        assert up.process.alive()
        read.update(viewer.read(VIDEO_BYTES - MIB))
    assert read.digest() == hashlib.sha256(whole).digest()
    assert up.process.ended() == 0, up.process.stderr
    assert not installation.left_running()
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    installation = make_installation(tmp_path, workers=1)
    up = start_up(installation)
    up.process.popen.kill()
    up.process.ended()
    wait_for("the children are gone", lambda: not running_with(str(installation.config)))
