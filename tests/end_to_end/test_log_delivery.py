"""Logs in buckets: a real S3 server, a folder, a store that hangs, and an edge that is killed."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from edgecache.observe.log_record import FIELDS, HEADER, parse_line
from tests.end_to_end.api_place import Place
from tests.end_to_end.foreign import UnavailableError
from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.log_files import log_records
from tests.end_to_end.processes import wait_for
from tests.end_to_end.stores import BUCKET, REGION, Moto, start_moto
from tests.end_to_end.test_boto3 import POLLS
from tests.end_to_end.test_store import put_key_pair
from tests.end_to_end.viewers import curl

_BUCKETS = """
[log_delivery]
interval_s = 1

[[log_delivery.buckets]]
bucket = "{store}.s3.amazonaws.com"
endpoint = "http://127.0.0.1:{moto}"
region = "{region}"
credential = "logs"

[[log_delivery.buckets]]
bucket = "a-folder"
folder = "delivered"

[[log_delivery.buckets]]
bucket = "silent"
endpoint = "http://127.0.0.1:{silent}"
credential = "logs"
"""
_SITE = """
[[distributions]]
id = "E{name}"
aliases = ["{name}.test"]
origins = [{{ id = "o", domain_name = "127.0.0.1", http_port = {port}, access = "identity" }}]
default_behavior = {{ origin = "o" }}
[distributions.logging]
enabled = true
bucket = "{bucket}"
prefix = "of/{name}"
include_cookies = {cookies}
"""
NAME = re.compile(r"E[A-Z0-9]+\.\d{4}-\d\d-\d\d-\d\d\.[0-9a-z]{8}\.gz")
NAMES = FIELDS.split(" ")
COUNT = 6
Line = dict[str, str]


class Logged:
    """An installation whose distributions log to moto, to a folder, and to what never answers."""

    def __init__(self, folder: Path) -> None:
        self.moto: Moto = start_moto(folder)
        pair = self.moto.new_pair()
        self.moto.closed()
        self.silent = socket.create_server(("127.0.0.1", 0))
        self.folder = folder / "delivered"
        self.folder.mkdir()
        self.installation = make_installation(folder)
        self.before = self.installation.config.read_text()
        self.write()
        put_key_pair(self.installation, "logs", pair)
        self.up: Up = start_up(self.installation)
        edges = (self.up.lhr, self.up.nrt)
        self.asked = {
            name: [self.ask(name, edge=edge) for edge in edges for _ in range(COUNT)]
            for name in ("STORE", "FOLDER", "SILENT")
        }

    def write(self) -> None:
        """The file, with all its sites."""
        port, silent = self.installation.ports.bucket, self.silent.getsockname()[1]
        sites = (
            ("STORE", f"{BUCKET}.s3.amazonaws.com", "false"),
            ("FOLDER", "a-folder", "true"),
            ("SILENT", "silent", "false"),
        )
        text = self.before + _BUCKETS.format(
            store=BUCKET, region=REGION, moto=self.moto.port, silent=silent
        )
        for name, bucket, cookies in sites:
            text += _SITE.format(name=name, bucket=bucket, cookies=cookies, port=port)
        self.installation.config.write_text(text)

    def ask(self, name: str, path: str = "/about.html", *, edge: str = "") -> str:
        """The id of a request."""
        answer = curl(
            f"{edge or self.up.lhr}{path}", "-H", f"Host: {name}.test", "-H", "Cookie: a=secret 1"
        )
        assert answer.fields["x-amz-cf-id"]
        return answer.fields["x-amz-cf-id"]

    def in_store(self) -> dict[str, bytes]:
        """What moto has."""
        client = self.moto.client()
        self.moto.opened()
        listed = client.list_objects_v2(Bucket=BUCKET, Prefix="of/").get("Contents", ())
        return {
            one["Key"]: client.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
            for one in listed
        }

    def spooled(self) -> list[bytes]:
        """What processes still append to."""
        found = []
        for path in (self.installation.state / "log-delivery").glob("*/*.open"):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                found.append(path.read_bytes())
        return found

    def in_folder(self) -> dict[str, bytes]:
        paths = (path for path in self.folder.rglob("*.gz"))
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}

    def stop(self) -> None:
        assert self.up.process.stop() == 0, self.up.process.stderr
        self.moto.process.stop()
        self.silent.close()


def ids_of(files: dict[str, bytes], name: str) -> list[str]:
    """The ids of requests to a distribution."""
    return [line["x-edge-request-id"] for line in lines_of(files, name)]


def lines_of(files: dict[str, bytes], name: str) -> list[Line]:
    """The lines of a distribution's files, which are named and begin as CloudFront's."""
    found = []
    for key, body in files.items():
        folder, _, file = key.rpartition("/")
        if folder != f"of/{name}":
            continue
        assert NAME.fullmatch(file), file
        text = gzip.decompress(body)
        assert text.startswith(HEADER)
        for line in text.removeprefix(HEADER).decode().splitlines():
            values = parse_line(line)
            assert len(values) == len(NAMES) == 35
            found.append(dict(zip(NAMES, values, strict=True)))
            assert f"{values[0]}-{values[1][:2]}" in file
    return found


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    try:
        running = Logged(tmp_path_factory.mktemp("logged"))
    except UnavailableError as error:
        pytest.skip(str(error))
    yield running
    running.stop()


def test_every_line_is_in_the_bucket_once(logged: Logged) -> None:
    """Hits and misses of all edges; the store checks who puts what, and cookies stay here."""
    ids = sorted(logged.asked["STORE"])

    def delivered() -> list[Line]:
        return lines_of(logged.in_store(), "STORE")

    wait_for("each line in the bucket", lambda: len(delivered()) >= len(ids))
    assert sorted(line["x-edge-request-id"] for line in delivered()) == ids
    assert {line["cs(Cookie)"] for line in delivered()} == {"-"}
    assert {line["x-edge-location"] for line in delivered()} == {"LHR50", "NRT57"}
    assert {line["cs-uri-stem"] for line in delivered()} == {"/about.html"}
    assert {"Hit", "Miss"} <= {line["x-edge-result-type"] for line in delivered()}


def test_cookies_are_shown_where_they_are_wanted(logged: Logged) -> None:
    ids = sorted(logged.asked["FOLDER"])
    wait_for("a line for each", lambda: len(lines_of(logged.in_folder(), "FOLDER")) >= len(ids))
    lines = lines_of(logged.in_folder(), "FOLDER")
    assert sorted(line["x-edge-request-id"] for line in lines) == ids
    assert {line["cs(Cookie)"] for line in lines} == {"a=secret 1"}


def test_what_stays_here_has_one_line_for_each_and_no_cookies(logged: Logged) -> None:
    here = log_records(logged.installation.state / "logs", "edge-")
    assert {len(fields) for fields in here} == {35}
    assert not any("secret" in field for fields in here for field in fields)
    ids = [fields[14] for fields in here]
    assert all(ids.count(id) == 1 for of in logged.asked.values() for id in of)


def test_a_store_that_never_answers_holds_up_nobody(logged: Logged) -> None:
    """What was asked while a file was on its way there was answered, and delivered elsewhere."""
    connection, _ = logged.silent.accept()
    with connection:
        asked = logged.ask("SILENT")
        wait_for("a line here", lambda: any(asked.encode() in one for one in logged.spooled()))
        assert logged.in_folder()


def test_what_boto3_makes_logs_where_it_says(logged: Logged) -> None:
    place = Place(logged.up, logged.installation.ports.bucket, "")
    client = boto3.client(
        "cloudfront",
        endpoint_url=place.control,
        region_name="us-east-1",
        aws_access_key_id=place.key.access_key_id,
        aws_secret_access_key=place.key.secret_access_key,
    )
    logging = {"Enabled": True, "IncludeCookies": True, "Bucket": "a-folder", "Prefix": "of/MADE"}
    site = place.site("made", Aliases={"Quantity": 1, "Items": ["made.test"]}, Logging=logging)
    with pytest.raises(ClientError, match=r"InvalidArgument.*has no such Bucket"):
        client.create_distribution(DistributionConfig=site | {"Logging": logging | {"Bucket": "b"}})
    id = client.create_distribution(DistributionConfig=site)["Distribution"]["Id"]
    config = client.get_distribution_config(Id=id)["DistributionConfig"]
    assert config["Logging"] == logging
    client.get_waiter("distribution_deployed").wait(Id=id, WaiterConfig=POLLS)
    asked = logged.ask("made")
    wait_for("its line", lambda: asked in ids_of(logged.in_folder(), "MADE"))


def test_an_edge_that_is_killed_has_its_lines_delivered_by_another(logged: Logged) -> None:
    asked = logged.ask("FOLDER", "/before-the-kill", edge=logged.up.nrt)
    wait_for("the line in the spool", lambda: any(asked.encode() in x for x in logged.spooled()))
    os.kill(logged.up.pid("edge-NRT57-1"), signal.SIGKILL)
    wait_for(
        "the line in the bucket",
        lambda: asked in ids_of(logged.in_folder(), "FOLDER"),
    )
    metrics = curl(f"{logged.installation.control}/metrics").body.decode()
    assert re.search(r'edgecache_log_files_delivered_total\{.*bucket="a-folder".*\} [1-9]', metrics)
