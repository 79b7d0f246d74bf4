"""The reserve over real processes: a small disk, a real S3 server, an origin that counts."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.foreign import UnavailableError
from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.processes import free_ports, wait_for
from tests.end_to_end.stores import BUCKET, REGION, Moto, start_moto
from tests.end_to_end.test_store import put_key_pair
from tests.end_to_end.versioned import Threaded
from tests.end_to_end.viewers import Answer, curl

SIZE = 5_000_000  # more than memory keeps where there is a disk; it gives no ranges
COUNT = 16  # of which the disk, at its least, has room for some
STALL_AFTER = 100_000  # bytes of an upload
_SITE = """
[reserve]
endpoint = "http://127.0.0.1:{relay}"
bucket = "{bucket}"
region = "{region}"
credential = "cold"
look_s_max = 1

[[distributions]]
id = "EFAR"
aliases = ["far.test"]
origins = [{{ id = "o", domain_name = "127.0.0.1", http_port = {origin} }}]
default_behavior = {{ origin = "o" }}
"""
_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            "Resource": f"arn:aws:s3:::{BUCKET}/*",
        },
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{BUCKET}"},
    ],
}


class FarOrigin(Threaded):
    """Each path has a version, and a large body that says it; `asked` counts by path."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.versions: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()

    def body(self, path: str) -> bytes:
        said = b"%b %d " % (path.encode(), self.versions[path])
        return (said * (SIZE // len(said) + 1))[:SIZE]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ", 2)[1].decode()
                self.asked[path] += 1
                fields = b"Cache-Control: max-age=86400\r\nContent-Length: %d" % SIZE
                writer.write(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (fields, self.body(path)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return


class StallingRelay(Threaded):
    """A relay to the store that loses everything, or stops in the middle of uploads, when told."""

    def __init__(self, port: int, target: int) -> None:
        super().__init__(port)
        self.cut = False
        self.stalling = False
        self.stalled = 0  # uploads
        self._target = target
        self._never = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        finally:
            back.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        passed = -1  # bytes of an upload
        try:
            while data := await source.read(65_536):
                if self.cut:
                    await self._never.wait()
                if data.startswith(b"PUT "):
                    passed = 0
                passed += len(data) if passed >= 0 else 0
                if self.stalling and passed > STALL_AFTER:
                    self.stalled += 1
                    while await source.read(65_536):
                        pass
                    break
                target.write(data)
                await target.drain()
        except ConnectionError:
            pass
        target.close()


class Reserved:
    """An installation whose regional cache has a reserve behind a relay."""

    def __init__(self, folder: Path) -> None:
        self.moto: Moto = start_moto(folder)
        self.pair = self.moto.new_pair()
        iam = self.moto.client(service="iam")
        iam.put_user_policy(UserName="cdn", PolicyName="r", PolicyDocument=json.dumps(_POLICY))
        self.moto.closed()
        origin, relay = free_ports(2)
        self.origin = FarOrigin(origin)
        self.relay = StallingRelay(relay, self.moto.port)
        self.origin.__enter__()
        self.relay.__enter__()
        self.installation = make_installation(folder, workers=1)
        text = self.installation.config.read_text()
        text = text.replace('disk = { bytes_max = "1 GiB"', 'disk = { bytes_max = "64 MiB"')
        text += _SITE.format(relay=relay, bucket=BUCKET, region=REGION, origin=origin)
        self.installation.config.write_text(text)
        put_key_pair(self.installation, "cold", self.pair)
        self.up: Up = start_up(self.installation)

    def ask(self, path: str, edge: str = "") -> Answer:
        answer = curl(f"{edge or self.up.lhr}{path}", "-H", "Host: far.test")
        assert answer.status == 200, answer
        return answer

    def is_current(self, path: str, edge: str = "") -> bool:
        return self.ask(path, edge).body == self.origin.body(path)

    def objects(self) -> dict[str, int]:
        """What moto has: sizes by name."""
        self.moto.opened()
        try:
            listed = self.moto.client().list_objects_v2(Bucket=BUCKET)
        finally:
            self.moto.closed()
        return {one["Key"]: one["Size"] for one in listed.get("Contents", ())}

    def count(self, name: str) -> int:
        """A counter of the regional cache, as control shows it."""
        metrics = curl(f"{self.installation.control}/metrics").body.decode()
        pattern = rf'^edgecache_{name}(?:_total)?\{{[^}}]*tier="regional"[^}}]*\}} (\S+)$'
        return sum(int(float(value)) for value in re.findall(pattern, metrics, re.MULTILINE))

    def kill_regional(self) -> None:
        """kill -9, and its disk is lost; wait until its successor serves."""
        pid = int(self.up.node("regional")["pid"])
        os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.installation.state / "disk")

        def served() -> bool:
            try:
                return int(self.up.node("regional")["pid"]) != pid
            except StopIteration:
                return False

        wait_for("another regional cache", served)

    def stop(self) -> None:
        assert self.up.process.stop() == 0, self.up.process.stderr
        self.relay.__exit__()
        self.origin.__exit__()
        self.moto.process.stop()


@pytest.fixture(scope="module")
def reserved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reserved]:
    try:
        running = Reserved(tmp_path_factory.mktemp("reserved"))
    except UnavailableError as error:
        pytest.skip(str(error))
    yield running
    running.stop()


def test_what_the_disk_has_no_room_for_comes_from_the_reserve(reserved: Reserved) -> None:
    paths = [f"/{number}" for number in range(COUNT)]
    for path in paths:
        assert reserved.is_current(path)
    wait_for("all of it in the bucket", lambda: len(reserved.objects()) == COUNT)
    assert all(reserved.is_current(path, reserved.up.nrt) for path in paths)
    assert {reserved.origin.asked[path] for path in paths} == {1}
    wait_for("hits that are counted", lambda: reserved.count("reserve_hits") > 0)


def test_what_was_invalidated_never_comes_back(reserved: Reserved) -> None:
    """Neither from the process that heard of it, nor from one that begins after it."""
    before = reserved.objects()
    reserved.origin.versions["/1"] += 1
    reserved.origin.versions["/2"] += 1
    code, _, said = reserved.installation.run("invalidate", "EFAR", "/1", "/2", "--wait")
    assert code == 0, said
    assert reserved.objects() == before, "nothing was removed for it"
    assert reserved.is_current("/1", reserved.up.nrt)
    reserved.kill_regional()
    assert reserved.is_current("/2", reserved.up.nrt)
    assert reserved.is_current("/1")
    assert reserved.is_current("/3")
    assert [reserved.origin.asked[path] for path in ("/2", "/3")] == [2, 1]


def test_an_upload_that_is_killed_leaves_nothing_to_read(reserved: Reserved) -> None:
    before = reserved.objects()
    reserved.relay.stalling = True
    assert reserved.is_current("/cut")
    wait_for("an upload in the middle", lambda: reserved.relay.stalled)
    reserved.kill_regional()
    reserved.relay.stalling = False
    assert reserved.objects() == before
    assert reserved.is_current("/cut", reserved.up.nrt)
    assert reserved.origin.asked["/cut"] == 2
    wait_for("it in the bucket", lambda: len(reserved.objects()) == len(before) + 1)


def test_a_store_that_is_away_makes_misses(reserved: Reserved) -> None:
    reserved.relay.cut = True
    for number in range(3):
        assert reserved.is_current(f"/away-{number}")
        assert reserved.origin.asked[f"/away-{number}"] == 1
    wait_for("failures that are counted", lambda: reserved.count("reserve_failures") >= 3)
    assert reserved.up.process.stderr.count("no answer within 1 s") == 1
    reserved.relay.cut = False


def test_wrong_credentials_are_told_once(reserved: Reserved) -> None:
    reserved.moto.delete(reserved.pair)
    reserved.kill_regional()
    for number in range(4):
        assert reserved.is_current(f"/refused-{number}")
    assert reserved.up.process.stderr.count("403 InvalidAccessKeyId") == 1
