"""An edge, a regional cache and a control of the former release beside those of this one.

As they are replaced one after another, and back: what is asked is answered, an invalidation is
Completed everywhere and nothing older is given.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config

from edgecache.control.cloudfront.authentication import access_keys
from tests.control.cloudfront.desk import OPTIMIZED
from tests.end_to_end import former
from tests.end_to_end.installation import PLAYED, Installation, Ports
from tests.end_to_end.processes import Running, free_ports, listens, wait_for
from tests.end_to_end.scripted_origin import Exchange, PlayedOrigin
from tests.end_to_end.viewers import Answer, curl

CONFIG = """
[control]
listen = "127.0.0.1:{control}"
allow_private_origins = true

[regional]
memory_bytes = "128 MiB"

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{lhr}"
memory_bytes = "128 MiB"

[[distributions]]
id = "EPLAYED"
aliases = ["played.test"]
origins = [{{ id = "played", domain_name = "127.0.0.1", http_port = {played} }}]
default_behavior = {{ origin = "played", cache_policy = "Managed-CachingOptimized" }}
"""
ARGUMENTS = {
    "control": ("control",),
    "regional": ("regional",),
    "edge": ("edge", "--location", "LHR50"),
}


@dataclass(slots=True)
class Fleet:
    """Three roles on their own, each of one of two releases."""

    installation: Installation
    site: Path
    version: int = 0
    roles: dict[str, Running] = field(default_factory=dict)

    async def answer(self, exchange: Exchange) -> None:
        body = b"version %d" % self.version
        await exchange.answer(len(body))
        await exchange.send(body)

    def replace(self, role: str, *, by_former: bool) -> None:
        """Stop a role where it runs, and start it of one of the releases."""
        if role in self.roles:
            assert self.roles.pop(role).stop() == 0
        arguments = ARGUMENTS[role]
        if by_former:
            self.roles[role] = former.start_former(self.site, self.installation.folder, *arguments)
        else:
            self.roles[role] = self.installation.start(*arguments)
        self.roles[role].until(f"{role} answers", lambda: self._answers(role))

    def _answers(self, role: str) -> bool:
        ports = self.installation.ports
        if role != "regional":
            return listens({"control": ports.control, "edge": ports.lhr}[role])
        with socket.socket(socket.AF_UNIX) as caller:
            return not caller.connect_ex(str(self.installation.state / "regional.sock"))

    def ask(self) -> Answer:
        port = self.installation.ports.lhr
        return curl(f"http://127.0.0.1:{port}/page", "-H", f"Host: {PLAYED}")

    def works(self, step: str) -> None:
        """What is invalidated is Completed and not given again; through the regional cache."""
        wait_for(f"the regional cache is asked: {step}", lambda: self._invalidated(step))

        def hit() -> bool:
            again = self.ask()
            assert again.body == b"version %d" % self.version, step
            return again.x_cache == "Hit"

        wait_for(f"a hit: {step}", hit)

    def distributes(self, client: Any) -> None:
        """What is made and changed over the API is served: which is one entry of the log each."""
        origin = {
            "Id": "played",
            "DomainName": "127.0.0.1",
            "CustomOriginConfig": {
                "HTTPPort": self.installation.ports.played,
                "HTTPSPort": 443,
                "OriginProtocolPolicy": "http-only",
            },
        }
        config = {
            "CallerReference": "made",
            "Comment": "",
            "Enabled": True,
            "Origins": {"Quantity": 1, "Items": [origin]},
            "DefaultCacheBehavior": {
                "TargetOriginId": "played",
                "ViewerProtocolPolicy": "allow-all",
                "CachePolicyId": OPTIMIZED,
            },
            "Aliases": {"Quantity": 1, "Items": ["made.test"]},
        }
        made = client.create_distribution(DistributionConfig=config)
        wait_for("it is served", lambda: self._status("made.test") == 200)
        changed = made["Distribution"]["DistributionConfig"]
        changed["Aliases"] = {"Quantity": 1, "Items": ["other.test"]}
        id, etag = made["Distribution"]["Id"], made["ETag"]
        client.update_distribution(Id=id, IfMatch=etag, DistributionConfig=changed)
        wait_for("it has another name", lambda: self._status("other.test") == 200)
        assert self._status("made.test") != 200

    def _status(self, host: str) -> int:
        port = self.installation.ports.lhr
        return curl(f"http://127.0.0.1:{port}/page", "-H", f"Host: {host}").status

    def client(self) -> Any:
        """boto3's, with the access key of this installation's operator."""
        operators = json.loads((self.installation.state / "operators.json").read_text())
        key = access_keys(operators["operator"])[-1]
        return boto3.client(
            "cloudfront",
            endpoint_url=f"http://127.0.0.1:{self.installation.ports.control}",
            region_name="eu-west-1",
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def _invalidated(self, step: str) -> bool:
        """Whether the regional cache was asked: an edge goes around one that was away just now."""
        self.version += 1
        transport = httpx.HTTPTransport(uds=str(self.installation.socket))
        with httpx.Client(transport=transport, base_url="http://localhost") as client:
            wanted = {"distribution": "EPLAYED", "paths": ["/*"]}
            told = client.post("/invalidations", json=wanted).json()
            path = f"/invalidations/EPLAYED/{told['id']}"
            wait_for(step, lambda: client.get(path).json()["status"] == "Completed")
        answer = self.ask()
        assert (answer.status, answer.body) == (200, b"version %d" % self.version), step
        return "regional" in answer.fields["cache-status"]


@pytest.fixture
def fleet(tmp_path: Path, played: PlayedOrigin) -> Iterator[Fleet]:
    control, lhr = free_ports(2)
    installation = Installation(tmp_path, Ports(control, 1, lhr, 1, played=played.port), 1, CONFIG)
    installation.write()
    found = Fleet(installation, former.build(tmp_path))
    played.plays("/page", found.answer)
    yield found
    for running in reversed(found.roles.values()):
        assert running.stop() == 0, running.stderr


def test_roles_of_two_releases_work_together(fleet: Fleet) -> None:
    for role in ("control", "regional", "edge"):
        fleet.replace(role, by_former=True)
    fleet.works("all of the former release")
    for role in ("edge", "regional", "control"):  # docs/operating.md, "Releases side by side"
        fleet.replace(role, by_former=False)
        fleet.works(f"{role} and what was before it of this release")
    for role in ("edge", "regional"):
        fleet.replace(role, by_former=True)
        fleet.works(f"{role} of the former release again")
        if role == "edge":
            fleet.distributes(fleet.client())
    for running in fleet.roles.values():
        assert "is not followed" not in running.stderr
        assert "Traceback" not in running.stderr
