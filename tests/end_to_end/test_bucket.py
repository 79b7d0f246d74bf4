"""A bucket restricted to one identity, and its versions, over real processes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.processes import EDGECACHE
from tests.end_to_end.scripted_origin import Exchange, PlayedOrigin
from tests.end_to_end.viewers import Answer, curl

IDENTITY = "x-edgecache-identity"
_SITES = """
[[origin_access_identities]]
id = "EMINE"

[[distributions]]
id = "E{name}"
aliases = ["{name}.test"]
custom_error_responses = [{{ error_code = 403, error_caching_ttl_s_min = 0 }},
  {{ error_code = 404, error_caching_ttl_s_min = 0 }}]
origins = [{{ id = "o", domain_name = "127.0.0.1", http_port = {port}, {access} }}]

[distributions.default_behavior]
origin = "o"
allowed_methods = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
cache_policy = {{ ttl_s_max = 0, ttl_s_default = 0,
  query_strings = {{ behavior = "whitelist", items = ["versionId"] }} }}
"""


class Restricted:
    """An installation whose bucket admits the identity EMINE."""

    def __init__(self, folder: Path, played: PlayedOrigin) -> None:
        installation = make_installation(folder, played=played.port, workers=1)
        self.folder = folder
        self.bucket = f"http://127.0.0.1:{installation.ports.bucket}"
        text = installation.config.read_text().replace(
            'folder = "bucket"', 'folder = "bucket"\npolicy_file = "policy.json"\nversions_max = 5'
        )
        sites = _SITES.replace(",\n  query_strings", ", query_strings")
        for name, access in {
            "mine": 'access_identity = "EMINE"',
            "other": 'access_identity = "EOTHER"',
            "nameless": 'access = "identity"',
            "none": 'access = "none"',
        }.items():
            site = sites.format(name=name, access=access, port=installation.ports.bucket)
            text += site if name == "mine" else site[site.index("[[distributions]]") :]
        caught = sites.format(name="caught", access='access_identity = "EMINE"', port=played.port)
        text += caught[caught.index("[[distributions]]") :]
        installation.config.write_text(text)
        code, policy, said = installation.run("bucket", "policy", "EMINE")
        assert code == 0, said
        reading = policy.replace('"s3:GetObject"', '["s3:GetObject", "s3:GetObjectVersion"]')
        (folder / "policy.json").write_text(reading)
        self.up: Up = start_up(installation)

    def ask(self, name: str, target: str, *options: str, edge: str = "") -> Answer:
        url = f"{edge or self.up.lhr}{target}"
        return curl(url, "-H", f"Host: {name}.test", *options)

    def commanded(self, *arguments: str, given: bytes = b"") -> str:
        """What a command of the bucket says."""
        config = str(self.up.installation.config)
        command = [*EDGECACHE, "bucket", *arguments, "--config", config]
        done = subprocess.run(command, input=given, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()


@pytest.fixture(scope="module")
def restricted(
    tmp_path_factory: pytest.TempPathFactory, played: PlayedOrigin
) -> Iterator[Restricted]:
    running = Restricted(tmp_path_factory.mktemp("restricted"), played)
    yield running
    assert running.up.process.stop() == 0, running.up.process.stderr


def test_one_identity_only(restricted: Restricted) -> None:
    for edge in (restricted.up.lhr, restricted.up.nrt):
        answer = restricted.ask("mine", "/about.html", edge=edge)
        assert (answer.status, b"<html" in answer.body) == (200, True)
        for name in ("other", "nameless", "none"):
            assert restricted.ask(name, "/about.html", edge=edge).status == 403, name
    direct = curl(f"{restricted.bucket}/about.html")
    assert (direct.status, b"<Code>AccessDenied</Code>" in direct.body) == (403, True)
    assert restricted.ask("mine", "/absent.html").status == 403  # it may read, and not list


def test_a_signature_that_was_overheard_opens_its_request_only(
    restricted: Restricted, played: PlayedOrigin
) -> None:
    heard: list[Exchange] = []

    async def overhear(exchange: Exchange) -> None:
        heard.append(exchange)
        await exchange.answer(0, "no-store")

    played.plays("/about.html", overhear)
    assert restricted.ask("caught", "/about.html").status == 200
    fields = heard[0].fields
    stolen = ("-H", f"Host: {fields['host']}", "-H", f"{IDENTITY}: {fields[IDENTITY]}")
    assert curl(f"{restricted.bucket}/about.html", *stolen).status == 200
    assert curl(f"{restricted.bucket}/index.html", *stolen).status == 403
    assert curl(f"{restricted.bucket}/about.html?x=1", *stolen).status == 403
    assert curl(f"{restricted.bucket}/about.html", "--head", *stolen).status == 403
    assert curl(f"{restricted.bucket}/about.html", "-X", "DELETE", *stolen).status == 403
    named = fields[IDENTITY].replace(".EMINE.", ".EOTHER.")
    claimed = ("-H", f"Host: {fields['host']}", "-H", f"{IDENTITY}: {named}")
    assert curl(f"{restricted.bucket}/about.html", *claimed).status == 403
    assert curl(f"{restricted.bucket}/about.html", *stolen[2:]).status == 403  # another host
    given = (f"{IDENTITY}: {fields[IDENTITY]}",)
    assert restricted.ask("none", "/about.html", "-H", *given).status == 403  # not passed on


def test_versions_come_and_earlier_ones_are_restored(restricted: Restricted) -> None:
    def current() -> tuple[bytes, str]:
        answer = restricted.ask("mine", "/news.txt")
        assert answer.status == 200
        return answer.body, answer.fields["x-amz-version-id"]

    first = restricted.commanded("put", "-", "news.txt", given=b"first")
    assert current() == (b"first", first)
    (restricted.folder / "bucket" / "news.txt").write_bytes(b"second, by a plain copy")
    body, second = current()
    assert (body, second != first) == (b"second, by a plain copy", True)
    listed = restricted.commanded("versions", "news.txt").splitlines()
    assert [line.split()[0] for line in listed] == [second, first]
    former = restricted.ask("mine", f"/news.txt?versionId={first}")
    assert (former.body, former.fields["x-amz-version-id"]) == (b"first", first)
    third = restricted.commanded("restore", "news.txt", first)
    assert current() == (b"first", third)
    assert restricted.ask("mine", f"/news.txt?versionId={second}").body == body
    assert restricted.ask("mine", "/news.txt?versionId=no").status == 403  # it may not list
    (restricted.folder / "bucket" / "news.txt").unlink()
    assert restricted.ask("mine", "/news.txt").status == 403
    assert restricted.ask("mine", f"/news.txt?versionId={third}").body == b"first"
