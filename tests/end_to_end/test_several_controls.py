"""Two controls on one PostgreSQL database: each answers for both, and one goes on when one dies."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from edgecache.config.secrets import load_operators
from edgecache.control.cloudfront.authentication import access_keys
from tests.control.cloudfront.desk import site
from tests.end_to_end.installation import Installation, Ports
from tests.end_to_end.processes import Running, children, free_ports, listens, wait_for
from tests.end_to_end.scripted_origin import PlayedOrigin
from tests.end_to_end.test_postgresql import CONFIG, SITE, Pair, Site, pair
from tests.measurements import tell

__all__ = ["pair"]  # the fixture


@dataclass(frozen=True, slots=True)
class Controls:
    """Control A with an edge, and control B alone, each with a folder of its own."""

    site: Site
    other: Installation

    @property
    def first(self) -> Installation:
        return self.site.installation

    def start(self, pair: Pair) -> tuple[Running, Running]:
        for installation in (self.first, self.other):
            (installation.folder / "dsn").write_text(pair.dsn + "\n")
        up = self.first.start("up")
        up.until("up is ready", lambda: "Ctrl-C" in up.stdout)
        self.other.state.mkdir()
        for name in ("secrets.json", "operators.json"):
            shutil.copy(self.first.state / name, self.other.state / name)
        alone = self.other.start("control")
        alone.until("control listens", lambda: listens(self.other.ports.control))
        return up, alone

    def clients(self) -> tuple[Any, Any]:
        """boto3, asking each."""
        key = access_keys(load_operators(self.first.state, {}))[-1]
        made = [
            boto3.client(
                "cloudfront",
                endpoint_url=one.control,
                region_name="us-east-1",
                aws_access_key_id=key.access_key_id,
                aws_secret_access_key=key.secret_access_key,
                config=Config(retries={"total_max_attempts": 1}),
            )
            for one in (self.first, self.other)
        ]
        return made[0], made[1]


@pytest.fixture
def controls(tmp_path: Path, played: PlayedOrigin) -> Iterator[Controls]:
    first, lhr, other = free_ports(3)
    ports = replace(Ports(first, 1, lhr, 1), played=played.port)
    found = []
    for name, control in (("a", first), ("b", other)):
        (tmp_path / name).mkdir()
        installation = Installation(tmp_path / name, replace(ports, control=control), 1, CONFIG)
        installation.write()
        found.append(installation)
    mine = Site(found[0])
    played.plays("/page", mine.answer)
    yield Controls(mine, found[1])
    assert not any(one.left_running() for one in found)


def batch(reference: str, path: str = "/page") -> dict[str, Any]:
    return {"CallerReference": reference, "Paths": {"Quantity": 1, "Items": [path]}}


def status(client: Any, id: str) -> str:
    found = client.get_invalidation(DistributionId=SITE, Id=id)
    return str(found["Invalidation"]["Status"])


def invalidated(client: Any, reference: str) -> str:
    made = client.create_invalidation(DistributionId=SITE, InvalidationBatch=batch(reference))
    return str(made["Invalidation"]["Id"])


def test_two_controls_are_one_to_who_asks(controls: Controls, pair: Pair) -> None:
    up, alone = controls.start(pair)
    at_a, at_b = controls.clients()
    mine = controls.site
    mine.release()

    made = at_a.create_distribution(DistributionConfig=site("one", Enabled=False))
    id = made["Distribution"]["Id"]
    assert at_b.get_distribution(Id=id)["ETag"] == made["ETag"]
    at_b.delete_distribution(Id=id, IfMatch=made["ETag"])
    listed = at_a.list_distributions()["DistributionList"]
    assert id not in [one["Id"] for one in listed["Items"]]

    mine.version += 1
    asked = invalidated(at_a, "same")
    assert invalidated(at_b, "same") == asked
    wait_for("Completed, as B says", lambda: status(at_b, asked) == "Completed")
    assert mine.ask().body == b"version %d" % mine.version
    mine.version += 1
    asked = invalidated(at_b, "of B")
    wait_for("Completed, as A says", lambda: status(at_a, asked) == "Completed")
    assert mine.ask().body == b"version %d" % mine.version

    one_dies(controls, up, (at_a, at_b))
    assert alone.stop() == 0
    assert up.stop() == 0
    for process in (up, alone):
        assert "Traceback" not in process.stderr
        assert "is not the one that the other controls run by" not in process.stderr


def control_of(parent: int) -> int:
    """The pid of the control process that a supervisor runs."""
    (pid,) = [
        one
        for one in children(parent)
        if b"\0control\0" in Path(f"/proc/{one}/cmdline").read_bytes()
    ]
    return pid


def one_dies(controls: Controls, up: Running, clients: tuple[Any, Any]) -> None:
    """Control A is killed: B accepts at once, and knows when its node's lease has run out."""
    mine, (at_a, at_b) = controls.site, clients
    os.kill(control_of(up.pid), signal.SIGKILL)
    mine.version += 1
    asked = invalidated(at_b, "after")
    wait_for("Completed, as B says", lambda: status(at_b, asked) == "Completed")
    assert mine.ask().body == b"version %d" % mine.version
    wait_for("A is there again", lambda: up.alive() and listens(controls.first.ports.control))
    wait_for("A knows it", lambda: status(at_a, asked) == "Completed")
    tell("two controls on one database: one was killed, the other went on")
