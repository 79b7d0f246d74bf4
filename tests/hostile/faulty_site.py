"""Where faults befall real processes: two locations and a regional cache before a played origin.

Every path of the origin has a body of its own; whatever is got is compared with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from edgecache.config.model import SemanticsName
from tests.end_to_end.installation import PLAYED, Up, make_installation, start_up
from tests.end_to_end.nginx import installed
from tests.end_to_end.processes import DEADLINE_S, free_ports, running_with, wait_for
from tests.end_to_end.scripted_origin import Exchange, PlayedOrigin
from tests.end_to_end.viewers import curl

BODY_BYTES = 20_000  # more than stands in the index of a disk: a file
KEPT = 40  # objects on disk and nowhere else
_PRIVATE = '{ origin = "bucket", trusted_native_keys = ["k1"] }'
WORDS = {"regional": b"regional", "control": b"control", "NRT57": b"NRT57", "LHR50": b"LHR50"}


def body_of(path: str, size: int = BODY_BYTES) -> bytes:
    """Bytes that tell their path all through."""
    return (f"{path};".encode() * (size // len(path) + 1))[:size]


@dataclass(slots=True)
class Answer:
    """What one of our viewers got: all of it, or `trouble`."""

    status: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    trouble: str = ""


class Site:
    """An installation of one worker each, and how to look at it."""

    def __init__(self, folder: Path, semantics: SemanticsName = "cloudfront") -> None:
        self.origin = PlayedOrigin(free_ports(1)[0])
        installation = make_installation(folder, played=self.origin.port, workers=1)
        text = installation.config.read_text()
        text = text.replace('{ origin = "bucket" }', _PRIVATE, 1)
        rules = f'id = "EPLAYED"\nsemantics = "{semantics}"'
        installation.config.write_text(text.replace('id = "EPLAYED"', rules, 1))
        self.up: Up = start_up(installation)
        self.origin.start()
        self.folder = installation.state / "disk" / "regional"
        self._number = 0
        self._kept: list[str] = []
        self.new()  # what `answers_again` asks for

    def stop(self) -> str:
        """Everything ends; what was said."""
        code = self.up.process.stop()
        self.origin.stop()
        assert code == 0, self.up.process.stderr
        assert not self.up.installation.left_running()
        return self.up.process.stderr

    def pid(self, name: str) -> int:
        """Of the process of that name that runs now; 0 when there is none."""
        for pid in running_with(str(self.up.installation.config)):
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if WORDS[name] in command:
                    return pid
        return 0

    def new(self, count: int = 1, size: int = BODY_BYTES) -> list[str]:
        """Paths nobody has asked for yet."""
        paths = [f"/{size}/{self._number + n}" for n in range(count)]
        self._number += count
        for path in paths:
            self.origin.plays(path, _plain)
        return paths

    def asks(self, path: str, at: str = "nrt") -> Answer:
        """What a viewer gets, whatever it is."""
        port: int = getattr(self.up.installation.ports, at)
        connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
        try:
            connection.request("GET", path, headers={"Host": PLAYED})
            got = connection.getresponse()
            fields = {name.lower(): value for name, value in got.getheaders()}
            return Answer(got.status, fields, got.read())
        except Exception as error:  # a broken connection has many names
            return Answer(trouble=repr(error))
        finally:
            connection.close()

    def right(self, path: str, at: str = "nrt") -> str:
        """Ask, and get the right answer; its Cache-Status."""
        answer = self.asks(path, at)
        assert (answer.status, answer.trouble) == (200, ""), (path, answer)
        assert self.is_right(path, answer.body), (path, answer.body[:60])
        return answer.fields["cache-status"]

    def opens(self, url: str) -> bool:
        """Whether a signed URL does."""
        status = curl(url).status
        assert status in (200, 403), status
        return status == 200

    def signed(self, path: str, last: str) -> str:
        """A URL of the private site, for so long from now."""
        url = f"{self.up.nrt}{path}"
        code, out, said = self.up.installation.run("sign-url", url, "--for", last)
        assert code == 0, said
        return out.strip()

    def fresh(self, at: str = "nrt") -> str:
        """Ask for something nobody has yet; its Cache-Status."""
        return self.right(self.new()[0], at)

    def is_right(self, path: str, body: bytes) -> bool:
        return body == body_of(path, int(path.split("/")[1]))

    def told(self, name: str) -> int:
        """A metric of the regional cache."""
        text = curl(f"{self.up.installation.control}/metrics").body.decode()
        start = f'edgecache_{name}{{location="regional",tier="regional"}} '
        lines = [line for line in text.splitlines() if line.startswith(start)]
        return int(float(lines[0][len(start) :])) if lines else 0  # not heard of yet

    def kept(self, count: int) -> list[str]:
        """Paths whose objects are on the regional cache's disk, and in no memory but LHR50's."""
        if len(self._kept) < count:
            self._kept = self.new(KEPT)
            for path in self._kept:
                self.right(path, "lhr")
            wait_for("all is on disk", lambda: self.told("disk_objects") >= KEPT)
            self.begun_anew("regional")
        taken, self._kept = self._kept[:count], self._kept[count:]
        return taken

    def forget_kept(self) -> None:
        """The disk was emptied."""
        self._kept = []

    def begun_anew(self, name: str) -> None:
        """kill -9, and wait for a successor that answers."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        wait_for(f"another {name}", lambda: self.pid(name) not in (0, pid))
        self.answers_again()

    def answers_again(self) -> None:
        """Wait until the regional cache is asked and control is heard."""
        wait_for("the regional cache", lambda: "regional;" in self.fresh())
        wait_for("a hit", lambda: self._hits("/20000/0"))

    def _hits(self, path: str) -> bool:
        return "NRT57; hit" in self.right(path)

    def recovers(self) -> None:
        """The origin answers again, and both locations have noticed."""
        both = ("lhr", "nrt")
        wait_for("answers", lambda: all(self.asks(self.new()[0], at).status == 200 for at in both))

    def fails_and_recovers(self) -> None:
        """A disk that was told to be failing is well again, once something can be written."""
        wait_for(
            "the disk is well again",
            lambda: self.fresh("lhr") and not self.told("disk_failing"),
        )


async def _plain(exchange: Exchange) -> None:
    body = body_of(exchange.path, int(exchange.path.split("/")[1]))
    await exchange.answer(len(body))
    await exchange.send(body)


class Clock:
    """The wall clock of all processes started while it is in place (faketime(1))."""

    def __init__(self, folder: Path) -> None:
        installed("faketime", "faketime")
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        self._file = folder / "clock"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, ahead_s: int) -> None:
        """So far ahead of what it is."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead_s:+d}\n")
        new.rename(self._file)


@contextlib.contextmanager
def injected(pid: int, calls: str, error: str) -> Iterator[None]:
    """These system calls of a process fail so, in all its threads (strace(1), "Tampering")."""
    program = installed("strace", "strace")
    tampering = ["-e", f"trace={calls}", "-e", f"inject={calls}:error={error}"]
    command = [program, "-f", "-p", str(pid), "-o", "/dev/null", *tampering]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            assert b"attached" in process.stderr.readline()
            yield
        finally:
            process.terminate()


@dataclass(frozen=True, slots=True)
class FaultRow:
    """A fault, and the play that lets it happen; the answer in a word."""

    id: str
    what: str
    play: Callable[[Site], str]


@dataclass(frozen=True, slots=True)
class ClockRow:
    """The same where the clock is set."""

    id: str
    what: str
    play: Callable[[Site, Clock], str]
