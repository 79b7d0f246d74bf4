"""A page sets three cookies, and a private video plays in a browser; without them it does not.

A picture of the page is left in var/browser/, to be looked at.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.browser import Browser, browser
from tests.end_to_end.installation import ROOT, Up, make_installation, start_up
from tests.end_to_end.log_files import log_records
from tests.end_to_end.processes import wait_for
from tests.end_to_end.viewers import curl
from tests.rules.private.signers import RSA

PICTURES = ROOT / "var" / "browser"
GREEN = "rgb(0, 160, 60)"
# Two seconds of a green picture with a bar that moves, recorded by the browser itself.
_RECORD = """
const done = arguments[arguments.length - 1];
const canvas = document.createElement("canvas");
canvas.width = 320; canvas.height = 180;
const paint = canvas.getContext("2d");
let drawn = 0;
const drawing = setInterval(() => {
  paint.fillStyle = arguments[0]; paint.fillRect(0, 0, 320, 180);
  paint.fillStyle = "white"; paint.fillRect(8 * (drawn++ % 40), 150, 16, 16);
}, 40);
const recorder = new MediaRecorder(canvas.captureStream(25), {mimeType: "video/webm;codecs=vp8"});
const parts = [];
recorder.ondataavailable = event => parts.push(event.data);
recorder.onstop = () => {
  clearInterval(drawing);
  const reader = new FileReader();
  reader.onload = () => done(reader.result.split(",")[1]);
  reader.readAsDataURL(new Blob(parts));
};
recorder.start();
setTimeout(() => recorder.stop(), 2000);
"""
_PAGE = """<!doctype html>
<title>Private video</title>
<h1>Private video</h1>
<p id="said">not logged in</p>
<video id="video" width="640" height="360" muted controls></video>
<script>
const cookies = %s;
if (location.search === "?login") {
  for (const cookie of cookies) document.cookie = cookie + "; path=/";
  document.getElementById("said").textContent = "logged in: " + cookies.length + " cookies set";
}
document.getElementById("video").src = "/private/clip.webm";
</script>
"""
# How far it has come: the error's code, or the time and the middle of the picture once it moves.
_PLAY = """
const done = arguments[arguments.length - 1];
const video = document.getElementById("video");
const failed = () => done({error: video.error.code, width: video.videoWidth});
if (video.error) failed();
video.onerror = failed;
video.ontimeupdate = () => {
  if (video.currentTime < 0.5) return;
  video.pause();
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  const paint = canvas.getContext("2d");
  paint.drawImage(video, 0, 0);
  const pixel = [...paint.getImageData(canvas.width / 2, 40, 1, 1).data];
  done({at: video.currentTime, width: video.videoWidth, pixel});
};
video.play().catch(() => {});
"""
_PRIVATE = """
[[distributions.behaviors]]
path_pattern = "/private/*"
origin = "bucket"
trusted_key_groups = ["team"]

[[distributions]]
id = "ETREE"
"""


class Cinema:
    """An installation with a page for everybody, and a private folder."""

    def __init__(self, folder: Path) -> None:
        installation = make_installation(folder, workers=1)
        text = installation.config.read_text().replace(
            '\n[[distributions]]\nid = "ETREE"\n', _PRIVATE, 1
        )
        (folder / "team.pem").write_text(RSA.public_pem)
        (folder / "team.private.pem").write_text(RSA.private_pem)
        text += f'\n[[public_keys]]\nid = "{RSA.key_id}"\npem_file = "team.pem"\n'
        text += f'\n[[key_groups]]\nid = "team"\nkeys = ["{RSA.key_id}"]\n'
        installation.config.write_text(text)
        self.bucket = folder / "bucket"
        self.up: Up = start_up(installation)

    def cookies(self) -> list[str]:
        """As an application makes them."""
        key = str(self.up.installation.folder / "team.private.pem")
        signing = ("--prefix", "/private/", "--key", RSA.key_id, "--private-key", key)
        code, said, wrong = self.up.installation.run("sign-cookies", f"{self.up.lhr}/", *signing)
        assert code == 0, wrong
        return said.split()

    def asked(self, path: str) -> list[list[str]]:
        """The edge's records of a path: CloudFront's fields, in order."""
        records = log_records(self.up.installation.state / "logs", "edge-LHR50-")
        return [record for record in records if record[7] == path]


@pytest.fixture(scope="module")
def cinema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cinema]:
    running = Cinema(tmp_path_factory.mktemp("cinema"))
    yield running
    assert running.up.process.stop() == 0, running.up.process.stderr


def recorded(viewer: Browser, cinema: Cinema) -> int:
    """Put a small video into the private folder; its size."""
    viewer.go(f"{cinema.up.lhr}/about.html")
    video = base64.b64decode(viewer.run(_RECORD, GREEN))
    (cinema.bucket / "private").mkdir()
    (cinema.bucket / "private" / "clip.webm").write_bytes(video)
    (cinema.bucket / "player.html").write_text(_PAGE % json.dumps(cinema.cookies()))
    return len(video)


def test_a_private_video_plays_with_cookies_only(cinema: Cinema, tmp_path: Path) -> None:
    with browser(tmp_path) as viewer:
        size = recorded(viewer, cinema)
        assert curl(f"{cinema.up.lhr}/private/clip.webm").status == 403
        viewer.go(f"{cinema.up.lhr}/player.html")
        assert viewer.run(_PLAY) == {"error": 4, "width": 0}  # MEDIA_ERR_SRC_NOT_SUPPORTED
        viewer.go(f"{cinema.up.lhr}/player.html?login")
        played = viewer.run(_PLAY)
        PICTURES.mkdir(parents=True, exist_ok=True)
        (PICTURES / "private-video.png").write_bytes(viewer.screenshot())
        assert played["width"] == 320, played
        red, green, blue, _ = played["pixel"]
        assert green > 100 > max(red, blue), played
    records = wait_for("the log tells of the video", lambda: with_status(cinema, "206"))
    assert {record[5] for record in records} == {"GET"}
    assert with_status(cinema, "403")
    assert int(records[0][3]) <= size + 2_000


def with_status(cinema: Cinema, status: str) -> list[list[str]]:
    return [record for record in cinema.asked("/private/clip.webm") if record[8] == status]
