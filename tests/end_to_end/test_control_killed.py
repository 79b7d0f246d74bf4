"""Control is killed again and again while it is written to: what was answered is there, whole."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.session
import msgspec
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from edgecache.cluster.log_entries import LogEntryKind as EntryKind
from edgecache.config import model
from edgecache.config.load import load
from edgecache.config.secrets import load_operators
from edgecache.control.cloudfront.authentication import access_keys
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.compose import ApiResources, compose
from edgecache.control.state.log import ControlLog
from edgecache.control.state.resources import ResourceKind
from edgecache.control.state.sqlite import SqliteDatabase
from tests.control.cloudfront.desk import site
from tests.end_to_end.installation import Installation, make_installation
from tests.end_to_end.processes import Running, kill, listens

WRITES = 200
KILLS = 6
KILL_AFTER_S_MAX = 0.02  # a write takes about five milliseconds: before, inside and after one


@dataclass
class Written:
    """What was answered: configurations by id, tags, what is gone; and what was in doubt."""

    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    invalidations: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)  # ids whose last write was not answered


@dataclass
class Control:
    """One control process after another, on one state."""

    installation: Installation
    process: Running | None = None
    kills: int = 0

    def start(self) -> None:
        self.process = self.installation.start("control")
        port = self.installation.ports.control
        self.process.until("control listens", lambda: listens(port))

    def kill_soon(self, after_s: float) -> threading.Thread:
        """SIGKILL after a moment."""
        process = self.process
        assert process is not None

        def kill_late() -> None:
            threading.Event().wait(after_s)
            kill(process)

        thread = threading.Thread(target=kill_late)
        thread.start()
        self.kills += 1
        return thread

    def client(self) -> Any:
        key = access_keys(load_operators(self.installation.state, {}))[-1]
        return botocore.session.Session().create_client(
            "cloudfront",
            endpoint_url=self.installation.control,
            region_name="us-east-1",
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
            config=Config(retries={"total_max_attempts": 1}),
        )


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    made = Control(make_installation(tmp_path, workers=1))
    made.start()
    yield made
    assert made.process is not None
    assert made.process.stop() == 0, made.process.stderr


def write(client: Any, number: int, chance: random.Random, written: Written) -> None:
    """One write of a kind drawn at random; what is answered is noted."""
    sure = sorted(written.configs.keys() - written.doubtful)
    kind = chance.choice(("create", "create", "update", "tag", "invalidate", "delete"))
    if kind == "create" or not sure:
        made = client.create_distribution(DistributionConfig=site(f"reference {number}"))
        written.configs[made["Distribution"]["Id"]] = made["Distribution"]["DistributionConfig"]
        return
    id = chance.choice(sure)
    written.doubtful.add(id)
    if kind == "tag":
        arn = f"arn:aws:cloudfront::000000000000:distribution/{id}"
        tags = {"Items": [{"Key": "number", "Value": str(number)}]}
        client.tag_resource(Resource=arn, Tags=tags)
        written.tags[id] = str(number)
    elif kind == "invalidate":
        batch = {"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": str(number)}
        one = client.create_invalidation(DistributionId=id, InvalidationBatch=batch)
        written.invalidations.add(one["Invalidation"]["Id"])
    else:
        etag = client.get_distribution_config(Id=id)["ETag"]
        config = written.configs[id] | {"Comment": str(number), "Enabled": kind != "delete"}
        changed = client.update_distribution(Id=id, IfMatch=etag, DistributionConfig=config)
        written.configs[id] = changed["Distribution"]["DistributionConfig"]
        if kind == "delete" and changed["Distribution"]["Status"] == "Deployed":
            # Not in the first seconds of a control: nodes of one before may still hold leases.
            client.delete_distribution(Id=id, IfMatch=changed["ETag"])
            del written.configs[id]
            written.gone.add(id)
    written.doubtful.discard(id)


def test_every_answered_write_outlives_a_kill(control: Control) -> None:
    chance = random.Random(20_261_126)
    at = sorted(chance.sample(range(5, WRITES), KILLS))
    written, client = Written(), control.client()
    number = 0
    while number < WRITES:
        number += 1
        killing = control.kill_soon(chance.random() * KILL_AFTER_S_MAX) if number in at else None
        if killing is None:
            write(client, number, chance, written)
        else:
            # An answer that is cut after its head is an empty one to botocore: a KeyError.
            with contextlib.suppress(BotoCoreError, ClientError, KeyError):
                write(client, number, chance, written)
            killing.join()
            assert control.process is not None
            assert control.process.ended() == -signal.SIGKILL
            control.start()
            client = control.client()
    assert control.kills == KILLS
    verify(client, written)
    assert control.process is not None
    assert control.process.stop() == 0
    verify_log(control.installation)
    control.start()


def verify(client: Any, written: Written) -> None:
    """Everything answered is there as it was answered."""
    pages = client.get_paginator("list_distributions").paginate().build_full_result()
    there = {one["Id"] for one in pages["DistributionList"]["Items"]}
    assert written.configs.keys() <= there | (written.doubtful - written.gone)
    assert not written.gone & there
    for id in written.configs.keys() - written.doubtful:
        found = client.get_distribution_config(Id=id)["DistributionConfig"]
        assert found == written.configs[id]
    for id, number in written.tags.items():
        if id in written.configs and id not in written.doubtful:
            arn = f"arn:aws:cloudfront::000000000000:distribution/{id}"
            items = client.list_tags_for_resource(Resource=arn)["Tags"]["Items"]
            assert items == [{"Key": "number", "Value": number}]
    listed = [client.list_invalidations(DistributionId=id) for id in written.configs if id in there]
    known = {one["Id"] for page in listed for one in page["InvalidationList"].get("Items", [])}
    lost = written.invalidations - known
    assert not lost or written.gone  # those of distributions that are gone cannot be asked for


def verify_log(installation: Installation) -> None:
    """What is published last is what the resources say: no write is there by half."""
    state = SqliteDatabase(installation.state)
    log = ControlLog(state, lambda: 0.0)
    catalog = Catalog(state, log, load(installation.config), lambda: 0.0, random.randbytes)
    made = {kind: [one for one in catalog.of(kind) if one.source == "api"] for kind in ResourceKind}
    newest = log.newest(EntryKind.CONFIG)
    assert newest is not None
    composed = compose(catalog.file, ApiResources(made)).config
    assert msgspec.convert(newest.body, model.Config) == composed
    assert len(composed.distributions) == len(made[ResourceKind.DISTRIBUTION]) + 3
    state.close()
