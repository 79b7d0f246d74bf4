"""Reloads and upgrades under traffic: `python -m tests.end_to_end.renewals [RELOADS [UPGRADES]]`.

500 requests a second on kept and on new connections, and downloads of 30 seconds, all the while.
"""

from __future__ import annotations

import asyncio
import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from edgecache.supervisor import reload as requests
from tests.end_to_end.installation import Installation, Up, make_installation, start_up
from tests.end_to_end.processes import raise_file_limit, wait_for
from tests.end_to_end.traffic import Plan, Traffic

VIDEO = "/media/video.mp4"
PAGES = {"/": "index.html", "/about.html": "about.html", "/robots.txt": "robots.txt"}


def plan(up: Up, download_s: float, per_s: float = 500) -> Plan:
    """Traffic at both locations of the demo's bucket."""
    bucket, ports = up.installation.folder / "bucket", up.installation.ports
    return Plan(
        ports=(ports.lhr, ports.nrt),
        pages={path: (bucket / name).read_bytes() for path, name in PAGES.items()},
        per_s=per_s,
        download=VIDEO,
        download_sha256=sha256((bucket / VIDEO[1:]).read_bytes()).hexdigest(),
        download_s=download_s,
    )


def renew(up: Up, traffic: Traffic, reloads: int, upgrades: int) -> None:
    """So many of each, spread over each other. AssertionError when one was not done."""
    every = max(1, reloads // max(1, upgrades))
    for number in range(1, reloads + 1):
        comment(up.installation, f"reload {number}")
        ask(up, "reload")
        if number % every == 0 and number // every <= upgrades:
            ask(up, "upgrade")
        assert not traffic.failures, (number, traffic.failures[:3])


def comment(installation: Installation, text: str) -> None:
    """A change that changes nothing for viewers."""
    installation.write()
    file = installation.config
    file.write_text(file.read_text().replace('id = "ESITE"', f'id = "ESITE"\ncomment = "{text}"'))


def ask(up: Up, word: str) -> str:
    """What the supervisor says to `word`; AssertionError when it did not do it."""
    place = up.installation
    told = asyncio.run(requests.ask_supervisors(str(place.state), word, place.config.resolve()))
    assert told.code == 0, told
    return str(told)


def left_over(up: Up) -> list[int]:
    """Processes of the installation beyond those there should be."""
    wanted = {int(node["pid"]) for node in up.asked_control("/nodes")["nodes"] if node["alive"]}
    told = len(up.told["nodes"]) + 1 - len(wanted)  # control, bucket and the supervisor: no nodes
    return up.installation.left_running()[len(wanted) + told :]


def main(reloads: int, upgrades: int) -> None:
    """Do it and print how it went."""
    raise_file_limit()
    with TemporaryDirectory() as folder:
        up = start_up(make_installation(Path(folder)))
        try:
            with Traffic(plan(up, 30)) as traffic:
                traffic.more(500)
                renew(up, traffic, reloads, upgrades)
                traffic.more(500)
            wait_for("former processes are gone", lambda: not left_over(up))
        finally:
            code = up.process.stop()
        late = sorted(traffic.late_ms)
        print(
            f"{reloads} reloads, {upgrades} upgrades: {traffic.answered} answers "
            f"({traffic.hits / traffic.answered:.2%} hits), {traffic.downloaded} downloads, "
            f"{len(traffic.failures)} failures {traffic.failures[:3]}; ms: "
            f"p50 {late[len(late) // 2]:.1f}, p99 {late[len(late) * 99 // 100]:.1f}, "
            f"max {late[-1]:.0f}; exit code {code}"
        )


if __name__ == "__main__":
    counts = [int(text) for text in sys.argv[1:]]
    main(counts[0] if counts else 300, counts[1] if len(counts) > 1 else 50)
