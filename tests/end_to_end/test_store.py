"""Origin access control over real processes: stores that check signatures, behind both tiers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from edgecache.config.secrets import KeyPair
from tests.end_to_end.foreign import UnavailableError
from tests.end_to_end.installation import Installation, Up, make_installation, start_up
from tests.end_to_end.processes import EDGECACHE, wait_for
from tests.end_to_end.stores import BUCKET, REGION, Moto, Store, start_moto, start_s3rver
from tests.end_to_end.viewers import Answer, curl, curling

LARGE_BYTES = 8 * 1024 * 1024
NAME = "a b/ü €+&=%~'()!*@:,;$.txt"  # of an object; each character means something somewhere

_SITE = """
[[origin_access_controls]]
id = "E{name}"
region = "{region}"
signing_behavior = "{signing}"
credential = "{store}"

[[distributions]]
id = "E{name}"
aliases = ["{name}.test"]
custom_error_responses = [{{ error_code = 403, error_caching_ttl_s_min = 0 }},
  {{ error_code = 502, error_caching_ttl_s_min = 0 }}]

[[distributions.origins]]
id = "store"
domain_name = "127.0.0.1"
http_port = {port}
path = "/media"
access_control_id = "E{name}"

[distributions.default_behavior]
origin = "store"
allowed_methods = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
cache_policy = {{ query_strings = {{ behavior = "all" }}, headers = {keyed} }}
"""
_NOTHING = '{ behavior = "none" }'
_SIGNATURE = (
    '{ behavior = "whitelist", items = ["Authorization", "x-amz-date", "x-amz-content-sha256"] }'
)


def site(name: str, store: str, port: int, signing: str = "always", keyed: str = _NOTHING) -> str:
    return _SITE.format(
        name=name, store=store, port=port, signing=signing, keyed=keyed, region=REGION
    )


def put_key_pair(installation: Installation, name: str, pair: KeyPair) -> None:
    """As an operator does it."""
    command = [*EDGECACHE, "keys", "store", name, "--access-key-id", pair.access_key_id]
    done = subprocess.run(
        [*command, "--config", str(installation.config)],
        input=pair.secret_access_key,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert pair.secret_access_key not in done.stdout


class Stored:
    """An installation in front of two stores."""

    def __init__(self, folder: Path) -> None:
        self.moto: Moto = start_moto(folder)
        self.names: Store = start_s3rver(folder)
        self.pair = self.moto.new_pair()
        owner = self.moto.client()
        owner.put_object(Bucket=BUCKET, Key="a.txt", Body=b"first", CacheControl="max-age=300")
        owner.put_object(Bucket=BUCKET, Key="large.bin", Body=b"x" * LARGE_BYTES)
        self.names.client().put_object(Bucket=BUCKET, Key=NAME, Body=b"odd")
        self.moto.closed()
        installation = make_installation(folder, workers=1)
        text = installation.config.read_text()
        port = self.moto.port
        text += site("always", "moto", port) + site("never", "moto", port, "never")
        text += site("override", "moto", port, "no-override", _SIGNATURE)
        text += site("names", "s3rver", self.names.port)
        installation.config.write_text(text)
        put_key_pair(installation, "moto", self.pair)
        put_key_pair(installation, "s3rver", self.names.pairs[0])
        self.up: Up = start_up(installation)

    def ask(self, target: str, *options: str, host: str = "always", edge: str = "") -> Answer:
        url = f"{edge or self.up.lhr}{target}"
        return curl(url, "--globoff", "--path-as-is", "-H", f"Host: {host}.test", *options)

    def stop(self) -> None:
        assert self.up.process.stop() == 0, self.up.process.stderr
        self.moto.process.stop()
        self.names.process.stop()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    try:
        running = Stored(tmp_path_factory.mktemp("stored"))
    except UnavailableError as error:
        pytest.skip(str(error))
    yield running
    running.stop()


def test_the_store_admits_the_cdn_and_nobody_else(stored: Stored) -> None:
    direct = f"http://127.0.0.1:{stored.moto.port}/{BUCKET}/a.txt"
    assert curl(direct).status == 403
    forger = stored.moto.client(KeyPair(stored.pair.access_key_id, "wrong"))
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        forger.get_object(Bucket=BUCKET, Key="a.txt")
    before = stored.moto.gets("a.txt")
    first = stored.ask("/a.txt")
    assert (first.status, first.body, first.x_cache) == (200, b"first", "Miss")
    assert stored.ask("/a.txt").x_cache == "Hit"
    assert stored.ask("/a.txt", edge=stored.up.nrt).body == b"first"
    assert stored.moto.gets("a.txt") == before + 1  # the regional cache has it for both
    assert stored.ask("/a.txt", "--head").status == 200
    assert stored.ask("/a.txt", "--range", "1-3").body == b"irs"
    assert stored.ask("/none.txt").status in (403, 404)  # S3 tells only who may list


@pytest.mark.parametrize(
    ("host", "query"),
    [
        ("always", "b=2&a=1&a=0&c"),  # moto signs what it has decoded: nothing encoded here
        ("names", "response-content-type=text%2Fcsv"),
        ("names", "response-content-type=text/csv&b=%2B&a=x%20y&c"),
        ("names", "b=1+2&a=%C3%BC&%C3%BC=%25"),
    ],
)
def test_a_query_is_signed_as_it_is_sent(stored: Stored, host: str, query: str) -> None:
    path = "/a.txt" if host == "always" else f"/{quote(NAME)}"
    answer = stored.ask(f"{path}?{query}", host=host)
    assert answer.status == 200, answer.body
    if "content-type" in query:
        assert answer.fields["content-type"] == "text/csv"


@pytest.mark.parametrize("safe", ["/", "/~'()!*@:,;$&=+"])
def test_any_name_of_an_object_is_found(stored: Stored, safe: str) -> None:
    """However a viewer has encoded it."""
    assert curl(f"http://127.0.0.1:{stored.names.port}/{BUCKET}/{quote(NAME)}").status == 403
    answer = stored.ask("/" + quote(NAME, safe=safe), host="names")
    assert (answer.status, answer.body) == (200, b"odd")


def test_an_upload_is_streamed_and_read_back(stored: Stored, tmp_path: Path) -> None:
    file = tmp_path / "upload.bin"
    file.write_bytes(bytes(range(256)) * 8_192)
    for host in ("always", "names"):
        put = stored.ask("/up load.bin".replace(" ", "%20"), "-T", str(file), host=host)
        assert put.status == 200, (host, put.body)
        assert stored.ask("/up%20load.bin", host=host).body == file.read_bytes()


def test_never_leaves_requests_as_they_are(stored: Stored) -> None:
    assert stored.ask("/a.txt", host="never").status == 403


def test_no_override_passes_a_viewers_own_signature_on(stored: Stored) -> None:
    assert stored.ask("/a.txt", host="override").status == 200
    url = f"http://127.0.0.1:{stored.moto.port}/{BUCKET}/a.txt"
    for secret, status in ((stored.pair.secret_access_key, 200), ("wrong", 403)):
        signed = AWSRequest("GET", url)
        S3SigV4Auth(Credentials(stored.pair.access_key_id, secret), "s3", REGION).add_auth(signed)
        fields = [f"{name}: {value}" for name, value in signed.headers.items()]
        options = [part for field in fields for part in ("-H", field)]
        assert stored.ask("/a.txt", *options, host="override").status == status
        assert stored.ask("/a.txt", *options).status == 200  # here ours takes its place


def test_keys_come_and_go_while_a_download_goes_on(stored: Stored) -> None:
    def status(number: int = 0) -> int:
        number = next(numbers)
        return stored.ask(f"/a.txt?n={number}").status

    numbers = iter(range(10_000))
    assert status() == 200
    url = f"{stored.up.lhr}/large.bin"
    with curling(url, "-H", "Host: always.test", "--limit-rate", "2M") as download:
        wait_for("the download has begun", download.size)
        stored.moto.delete(stored.pair)
        assert status() == 403
        stored.moto.opened()
        newer = stored.moto.new_pair()
        stored.moto.closed()
        put_key_pair(stored.up.installation, "moto", newer)
        wait_for("the new key signs", lambda: status() == 200, deadline_s=10)
        assert stored.up.installation.run("keys", "store", "moto", "--remove")[0] == 0
        wait_for("the key is gone", lambda: status() == 502, deadline_s=10)
        assert download.exit_code() == 0
        assert download.size() == LARGE_BYTES
    said = stored.up.process.stderr
    assert 'no key pair "moto" in' in said
    assert newer.secret_access_key not in said
    put_key_pair(stored.up.installation, "moto", newer)
    wait_for("requests are signed again", lambda: status() == 200, deadline_s=10)
    published = curl(f"{stored.up.installation.control}/config").body.decode()
    logs = "".join(file.read_text() for file in (stored.up.installation.state / "logs").iterdir())
    for secret in (newer.secret_access_key, stored.names.pairs[0].secret_access_key):
        assert secret not in published + logs + said
