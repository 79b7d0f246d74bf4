"""What edges are told of certificates: sealed for their place, and nothing to anybody else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from edgecache.cluster.certificates import AcmeState, unseal
from edgecache.cluster.credentials import AUTH_SCHEME, control_message
from edgecache.config.model import Config, Control
from edgecache.control.acme.issuance import CertificateServices
from edgecache.control.acme.orders import Challenges
from edgecache.control.nodes.refusals import NodeAdmission
from edgecache.control.rest.routes import starlette_routes
from tests.world.credentials import SECRETS, signer, verifier

TARGET = "/acme"


class Desk:
    """The handler, its challenges and certificates."""

    def __init__(self, folder: Path) -> None:
        self.config = Config(certificates="acme", control=Control(acme_challenges=str(folder)))
        self.challenges = Challenges()
        self.certificates = {"E1": b"a key"}
        admission = NodeAdmission(verifier("control", self.clock).verify, self.clock)
        services = CertificateServices(
            lambda: self.config,
            self.challenges,
            lambda: self.certificates,
            admission,
            lambda: SECRETS,
        )
        self.app = Starlette(routes=starlette_routes(services.handlers()))
        self._runs = iter(range(256))

    def clock(self) -> float:
        return 1_700_000_000.0

    def ask(self, node: str = "edge-LHR50-1", tag: str = "") -> httpx.Response:
        run = bytes([next(self._runs)])
        made = signer(node, "control", self.clock, random_bytes=lambda count: run * count)
        credential = made.sign(control_message("GET", TARGET.encode(), "")).decode()
        fields = {"authorization": f"{AUTH_SCHEME} {credential}"} if node else {}

        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://control") as client:
                return await client.get(TARGET, headers={**fields, "if-none-match": tag})

        return asyncio.run(once())


@pytest.mark.parametrize(("node", "status"), [("", 401), ("regional", 403), ("stranger", 401)])
def test_nobody_but_an_edge_is_told(tmp_path: Path, node: str, status: int) -> None:
    answer = Desk(tmp_path).ask(node)
    assert answer.status_code == status
    assert b"a key" not in answer.content


def test_an_edge_is_told_what_is_new(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    (tmp_path / "token").write_text("token.x")
    answer = desk.ask()
    state = msgspec.json.decode(answer.content, type=AcmeState)
    assert state.challenges == {"token": "token.x"}
    (sealed,) = state.certificates
    assert unseal(sealed.sealed, "E1", "edge-LHR50", SECRETS) == b"a key"
    assert answer.headers["cache-control"] == "no-store"
    tag = answer.headers["etag"]
    assert desk.ask(tag=tag).status_code == 304
    assert desk.ask("edge-NRT57-1", tag).status_code == 304
    desk.certificates["E1"] = b"another"
    assert desk.ask(tag=tag).status_code == 200
    desk.config = Config(control=Control())
    assert msgspec.json.decode(desk.ask().content, type=AcmeState) == AcmeState({})
