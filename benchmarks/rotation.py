"""`python -m benchmarks.rotation`: how long a key takes to come and to go, on every node.

Two edge locations (three workers) and a regional cache. A key group is changed from one key to
another, from the moment control is asked to reload; a secret is added to `secrets.json`, from the
moment the file is there. Each ends when every one of 24 kept connections has the new answer.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.mixes import HOT, PLAIN
from benchmarks.processes import (
    BenchmarkError,
    Server,
    free_port,
    start,
    wait_until_listening,
)
from benchmarks.stage import HERE, Stage, staged
from benchmarks.viewer import Viewer
from edgecache.cli.keys import generate_private_key, write_key_pair
from edgecache.config.secrets import add_viewer_secret, load_secrets, secrets_path
from edgecache.rules.private.native_token import PARAMETER, TokenGrant, issued, native_signer
from edgecache.rules.private.signer import Signer, SigningTerms, load_private_key

FIRST, SECOND = "KFIRST", "KSECOND"
VIEWERS = 12  # of each location: all its workers, but for a chance of one in thousands
ROTATION_S_MAX = 10.0


@dataclass(slots=True)
class Private:
    """An installation under way, and viewers on all its workers."""

    config: Path
    values: dict[str, str]
    control: str
    state: str
    viewers: list[Viewer]

    def write(self, key: str) -> None:
        """The configuration in which `key` is the only one trusted."""
        text = (HERE / "peers" / "edgecache-private.toml").read_text()
        for name, value in (self.values | {"key": key}).items():
            text = text.replace(f"@{name}@", value)
        self.config.write_text(text)

    def until(self, target: str, status: int) -> float:
        """Seconds until every viewer gets it. BenchmarkError when that takes too long."""
        began = time.monotonic()
        while any(viewer.ask(target, PLAIN)[0] != status for viewer in self.viewers):
            if time.monotonic() - began > ROTATION_S_MAX:
                raise BenchmarkError(f"no {status} everywhere after {ROTATION_S_MAX:g} s")
        return time.monotonic() - began


@contextlib.contextmanager
def private(stage: Stage) -> Iterator[Private]:
    """The installation, started."""
    for name in ("first", "second"):
        write_key_pair(str(stage.folder / name), generate_private_key("ecdsa"))
    port, other, control = free_port(), free_port(), free_port()
    values = {"folder": stage.folder, "origin": stage.origin, "port": port}
    values |= {"other_port": other, "control": control}
    found = Private(
        stage.folder / "private.toml",
        {name: str(value) for name, value in values.items()},
        f"http://127.0.0.1:{control}",
        str(stage.folder / "state-private"),
        [],
    )
    found.write(FIRST)
    command = [sys.executable, "-m", "edgecache", "up", f"--config={found.config}"]
    popen = start("private", command, stage.folder, 0)
    server = Server("private", port, (popen,))
    try:
        for each in (port, other):
            wait_until_listening("private", popen, each, stage.folder / "private.err")
        places = [each for each in (port, other) for _ in range(VIEWERS)]
        found.viewers += [Viewer("private", each) for each in places]
        yield found
    finally:
        for viewer in found.viewers:
            viewer.close()
        server.stop()


def signed(stage: Stage, name: str, key: str) -> str:
    """A target that only `key` opens."""
    signer = Signer(key, load_private_key((stage.folder / f"{name}.private.pem").read_bytes()))
    said = signer.parameters(SigningTerms(f"http://127.0.0.1{HOT}", int(time.time()) + 3_600))
    return f"{HOT}?" + "&".join(f"{name}={value}" for name, value in said)


def key_groups(stage: Stage, running: Private) -> Iterator[float]:
    """A key goes and another comes, over and over: seconds, until both is so everywhere."""
    targets = {FIRST: signed(stage, "first", FIRST), SECOND: signed(stage, "second", SECOND)}
    running.until(targets[FIRST], 200)
    while True:
        for key, former in ((SECOND, FIRST), (FIRST, SECOND)):
            running.write(key)
            began = time.monotonic()
            local = httpx.HTTPTransport(uds=f"{running.state}/control.sock")
            with httpx.Client(transport=local, trust_env=False) as client:
                answer = client.post(f"{running.control}/reload")
            if answer.status_code != 200:
                raise BenchmarkError(f"reload: {answer.text}")
            running.until(targets[former], 403)
            running.until(targets[key], 200)
            yield time.monotonic() - began


def secrets_file(running: Private) -> Iterator[float]:
    """A secret for tokens comes and goes: seconds."""
    while True:
        began = time.monotonic()
        add_viewer_secret(running.state, os.environ, "new")
        secret = load_secrets(running.state, os.environ).viewer["new"]
        grant = TokenGrant(int(time.time()) + 3_600, "127.0.0.1", HOT)
        token = issued(grant, "new", native_signer(secret)).decode()
        target = f"{HOT}?{PARAMETER.decode()}={token}"
        running.until(target, 200)
        yield time.monotonic() - began
        began = time.monotonic()
        _taken_away(secrets_path(running.state, os.environ), "new")
        running.until(target, 403)
        yield time.monotonic() - began


def _taken_away(path: Path, name: str) -> None:
    """As an operator edits the file: another one, whole, in its place."""
    held = json.loads(path.read_text())
    del held["viewer"][name]
    edited = path.with_name("edited.json")
    edited.touch(0o600)
    edited.write_text(json.dumps(held))
    edited.replace(path)


def _told(what: str, measured: Iterator[float], count: int) -> None:
    found: Sequence[float] = sorted(value for _, value in zip(range(count), measured, strict=False))
    middle, last = statistics.median(found), found[-1]
    print(f"{what:<28} median {middle:.3f} s, longest {last:.3f} s, of {count}", flush=True)


def main() -> int:
    """Run it; 0, or 1 when something did not come about."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rotation", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    kinds: dict[str, Callable[[Stage, Private], Iterator[float]]] = {
        "a key of a group": key_groups,
        "a secret in secrets.json": lambda _, running: secrets_file(running),
    }
    try:
        with staged() as stage, private(stage) as running:
            for what, measure in kinds.items():
                _told(what, measure(stage, running), options.rounds)
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
