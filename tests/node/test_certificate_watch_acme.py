"""How an edge learns of challenges and certificates: one question for all who ask meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import httpx
import msgspec
import pytest

from edgecache.cluster.certificates import AcmeState, SealedCertificate, seal, site_certificate_path
from edgecache.config.model import Config, Control
from edgecache.node import certificate_watch
from edgecache.node.certificate_watch import AcmeFollower
from edgecache.runtime.environment import pause

SECRETS = {"k1": "a" * 43}
PLACE = "edge-LHR50"


class Desk:
    """Control, as far as the follower asks it."""

    def __init__(self, folder: Path) -> None:
        self.state = AcmeState({})
        self.tags: list[str] = []
        self.away = False
        self.follower = AcmeFollower(self.ask, PLACE, str(folder), pause)
        self.follower.use_secrets(SECRETS)

    async def ask(self, target: str, fields: Mapping[str, str]) -> httpx.Response | None:
        assert target == "/acme"
        self.tags.append(fields.get("if-none-match", ""))
        content = msgspec.json.encode(self.state)
        tag = f'"{hash(content)}"'
        if self.away:
            return None
        if fields.get("if-none-match") == tag:
            return httpx.Response(304)
        return httpx.Response(200, content=content, headers={"etag": tag})

    def holds(self, pem: bytes, place: str = PLACE) -> None:
        sealed = seal(pem, "E1", place, SECRETS)
        self.state = AcmeState({}, (SealedCertificate("E1", sealed),))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate_watch, "SPACING_S", 0.001)
    monkeypatch.setattr(certificate_watch, "POLL_S", 0.001)


@pytest.mark.parametrize(
    ("config", "answers"),
    [
        (Config(), False),
        (Config(control=Control()), False),
        (Config(control=Control(acme_challenges="/webroot")), True),
        (Config(control=Control(), certificates="acme"), True),
    ],
)
def test_who_answers(tmp_path: Path, config: Config, answers: bool) -> None:
    follower = Desk(tmp_path).follower
    follower.use(config)
    assert follower.answers is answers


def test_a_crowd_costs_one_question_and_the_next_is_asked_after_it_came(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    async def scene() -> None:
        waits = [asyncio.create_task(desk.follower.wait()) for _ in range(100)]
        await asyncio.gather(*waits)
        assert len(desk.tags) == 1
        assert desk.follower.known("token") == ""
        desk.state = AcmeState({"token": "token.x"})
        await desk.follower.wait()
        assert desk.follower.known("token") == "token.x"
        desk.away = True
        await desk.follower.wait()  # what was known stays
        assert desk.follower.known("token") == "token.x"

    asyncio.run(scene())
    assert desk.tags[0] == ""
    assert desk.tags[1].startswith('"')


def test_who_leaves_takes_nobody_along(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    async def scene() -> None:
        first, second = (asyncio.create_task(desk.follower.wait()) for _ in range(2))
        await pause(0)
        first.cancel()
        await second

    asyncio.run(scene())
    assert len(desk.tags) == 1


def test_certificates_are_kept_and_what_cannot_be_opened_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(tmp_path)
    path = site_certificate_path(tmp_path, "E1")

    async def until_asked(times: int) -> None:
        aim = len(desk.tags) + times
        async with asyncio.timeout(30):
            while len(desk.tags) < aim:
                await pause(0.001)

    async def scene() -> None:
        task = asyncio.create_task(desk.follower.run())
        await pause(0.01)
        assert not desk.tags  # nobody issues any
        desk.follower.use(Config(control=Control(), certificates="acme"))
        desk.holds(b"first")
        await until_asked(3)
        assert path.read_bytes() == b"first"
        desk.holds(b"for another", "edge-NRT57")
        await until_asked(5)
        assert path.read_bytes() == b"first"
        desk.holds(b"second")
        await until_asked(3)
        assert path.read_bytes() == b"second"
        task.cancel()

    asyncio.run(scene())
    (record,) = caplog.records
    assert "not kept here: ValueError: sealed for another place" in record.getMessage()
