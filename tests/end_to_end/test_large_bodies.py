"""Bodies larger than any buffer pass in both directions, and no process grows with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.installation import PLAYED, Up
from tests.end_to_end.processes import resident_bytes
from tests.end_to_end.scripted_origin import Exchange, PlayedOrigin
from tests.end_to_end.viewers import RawViewer, curl

pytestmark = pytest.mark.alone

MIB = 1024 * 1024
BODY_BYTES = 1024 * MIB
UPLOAD_BYTES = 200 * MIB
GROWTH_BYTES_MAX = 200 * MIB  # more than `object_bytes_max` twice, far less than the body
BLOCK = bytes(range(256)) * (MIB // 256)

NODES = ("edge-LHR50-1", "edge-LHR50-2", "edge-NRT57-1", "regional")


class Growth:
    """What each node has grown by, at most, since the start."""

    def __init__(self, up: Up) -> None:
        self._pids = {name: int(up.node(name)["pid"]) for name in NODES}
        self._before = self._now()
        self.most = dict.fromkeys(NODES, 0)

    def look(self) -> None:
        for name, resident in self._now().items():
            self.most[name] = max(self.most[name], resident - self._before[name])

    def _now(self) -> dict[str, int]:
        return {name: resident_bytes(pid) for name, pid in self._pids.items()}


@pytest.fixture
def growth(up: Up, capsys: pytest.CaptureFixture[str]) -> Iterator[Growth]:
    """Told after the test, and bounded."""
    watched = Growth(up)
    yield watched
    watched.look()
    with capsys.disabled():
        told = ", ".join(f"{name} {most / MIB:.0f}" for name, most in watched.most.items())
        print(f"\ngrown at most by (MiB): {told}")
    assert max(watched.most.values()) < GROWTH_BYTES_MAX


def test_a_body_of_1_gib_passes_two_tiers(up: Up, played: PlayedOrigin, growth: Growth) -> None:
    async def large(exchange: Exchange) -> None:
        await exchange.answer(BODY_BYTES)
        for number in range(BODY_BYTES // MIB):
            await exchange.send(number.to_bytes(8, "big"))
            await exchange.send(BLOCK[8:])

    played.plays("/large", large)
    with RawViewer(up.installation.ports.lhr) as viewer:
        viewer.ask("/large", PLAYED)
        status, fields = viewer.head()
        assert (status, fields["content-length"]) == (200, str(BODY_BYTES))
        assert "stored" not in fields["cache-status"]
        for number in range(BODY_BYTES // MIB):
            block = viewer.read(MIB)
            assert block[:8] == number.to_bytes(8, "big")
            assert block[8:] == BLOCK[8:]
            if number % 32 == 0:
                growth.look()
    assert played.asked["/large"] == 1


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_upload_of_200_mib_reaches_the_origin(
    up: Up, played: PlayedOrigin, growth: Growth, tmp_path: Path, framing: str
) -> None:
    path = f"/upload/{framing}"

    async def upload(exchange: Exchange) -> None:
        count = 0
        async for size in exchange.body_parts():
            count += size
            if count // MIB % 8 == 0:
                growth.look()
        told = str(count).encode()
        await exchange.answer(len(told), "no-store")
        await exchange.send(told)

    played.plays(path, upload)
    file = tmp_path / "upload"
    with file.open("wb") as written:
        written.truncate(UPLOAD_BYTES)
    options = ["-H", f"Host: {PLAYED}", "-X", "POST", "-T", str(file)]
    if framing == "chunked":
        options += ["-H", "Transfer-Encoding: chunked"]
    answer = curl(f"{up.lhr}{path}", *options)
    assert (answer.exit_code, answer.status) == (0, 200)
    assert answer.body == str(UPLOAD_BYTES).encode()
    assert played.asked[path] == 1
