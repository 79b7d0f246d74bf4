"""A distribution as CloudFront's JSON has it drives `up`, and each of its behaviors holds."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.installation import ROOT
from tests.end_to_end.processes import EDGECACHE, free_ports, start
from tests.end_to_end.scripted_origin import Exchange, PlayedOrigin
from tests.end_to_end.viewers import Answer, curl

HOST = "www.example.test"
_FILE = """
state_dir = "state"

[control]
listen = "127.0.0.1:{control}"

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{edge}"

[bucket]
listen = "127.0.0.1:{bucket}"
folder = "bucket"
cache_control = "public, max-age=300"

[[distributions]]
file = "aws-example.json"
id = "EAWSEXAMPLE001"

[[distributions.origins]]
id = "site-bucket"
domain_name = "127.0.0.1"
http_port = {bucket}
protocol_policy = "http-only"
access = "identity"

[[distributions.origins]]
id = "api"
domain_name = "127.0.0.1"
http_port = {api}
protocol_policy = "http-only"
"""


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory, played: PlayedOrigin) -> Iterator[str]:
    """The URL of the one location of an installation made of the example's JSON."""
    folder: Path = tmp_path_factory.mktemp("aws")
    shutil.copytree(ROOT / "config" / "bucket", folder / "bucket")
    shutil.copy(ROOT / "config" / "aws-example.json", folder)
    control, listen, bucket = free_ports(3)
    file = folder / "aws.toml"
    file.write_text(_FILE.format(control=control, edge=listen, bucket=bucket, api=played.port))
    process = start((*EDGECACHE, "up", "--json", "--config", str(file)), folder, "aws")
    process.until("up is ready", lambda: process.stdout.endswith("\n"))
    yield f"http://127.0.0.1:{listen}"
    assert process.stop() == 0, process.stderr


def ask(edge: str, path: str, *options: str) -> Answer:
    """One request to the site."""
    return curl(f"{edge}{path}", "-H", f"Host: {HOST}", *options)


def test_the_default_root_object_and_a_key_without_query(edge: str) -> None:
    whole = (ROOT / "config" / "bucket" / "index.html").read_bytes()
    first, second = ask(edge, "/?a=1"), ask(edge, "/?a=2")
    assert (first.status, first.x_cache, first.body) == (200, "Miss", whole)
    assert (second.status, second.x_cache, second.body) == (200, "Hit", whole)
    assert ask(edge, "/index.html").x_cache == "Hit"


def test_compression_has_entries_of_its_own(edge: str) -> None:
    plain = ask(edge, "/about.html", "-H", "Accept-Encoding: identity")
    zipped = ask(edge, "/about.html", "-H", "Accept-Encoding: gzip;q=0.9, deflate")
    again = ask(edge, "/about.html", "-H", "Accept-Encoding: gzip")
    brotli = ask(edge, "/about.html", "-H", "Accept-Encoding: gzip, br")
    assert "content-encoding" not in plain.fields
    assert (zipped.x_cache, zipped.fields["content-encoding"]) == ("Miss", "gzip")
    assert gzip.decompress(zipped.body) == plain.body
    assert (again.x_cache, again.body) == ("Hit", zipped.body)
    assert (brotli.x_cache, brotli.fields["content-encoding"]) == ("Miss", "br")
    assert plain.fields["etag"] != zipped.fields["etag"] == "W/" + plain.fields["etag"]


def test_the_managed_security_headers(edge: str) -> None:
    fields = ask(edge, "/robots.txt").fields
    assert fields["strict-transport-security"] == "max-age=31536000"
    assert fields["x-content-type-options"] == "nosniff"
    assert fields["x-frame-options"] == "SAMEORIGIN"
    assert fields["referrer-policy"] == "strict-origin-when-cross-origin"


def test_an_api_is_passed_through_with_all_but_host(edge: str, played: PlayedOrigin) -> None:
    seen: list[Exchange] = []

    async def echo(exchange: Exchange) -> None:
        seen.append(exchange)
        if exchange.method == "POST":
            async for _ in exchange.body_parts():
                pass
        await exchange.answer(2)
        await exchange.send(b"ok")

    path = "/api/orders?b=2&a=1"
    played.plays(path, echo)
    posted = ask(edge, path, "-d", "x=1", "-H", "Cookie: id=7", "-H", "X-Mine: yes")
    got = [ask(edge, path, "-H", "Authorization: Basic eA==") for _ in range(2)]
    assert [answer.x_cache for answer in (posted, *got)] == ["Miss", "Miss", "Miss"]
    assert [exchange.method for exchange in seen] == ["POST", "GET", "GET"]
    first = seen[0].fields
    assert first["x-origin-verify"] == "example"
    assert first["host"] == f"127.0.0.1:{played.port}"
    assert (first["cookie"], first["x-mine"]) == ("id=7", "yes")
    assert seen[1].fields["authorization"] == "Basic eA=="


def test_forwarded_values_key_what_they_name(edge: str) -> None:
    def x_cache(query: str, *options: str) -> str:
        return ask(edge, f"/data/prices.json?{query}", *options).x_cache

    assert x_cache("currency=EUR&n=1") == "Miss"
    assert x_cache("currency=EUR&n=2") == "Hit"  # QueryStringCacheKeys: currency
    assert x_cache("currency=GBP&n=1") == "Miss"
    region = ("-H", "Cookie: region-a=1; other=2")
    assert x_cache("currency=EUR&n=1", *region) == "Miss"  # WhitelistedNames: region-*
    assert x_cache("currency=EUR&n=1", "-H", "Cookie: region-a=1; other=3") == "Hit"
    assert x_cache("currency=EUR&n=1", "-H", "Origin: https://a.test") == "Miss"  # Headers


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/data/prices.json", "POST", 403), ("/robots.txt", "PUT", 403), ("/robots.txt", "HEAD", 200)],
)
def test_the_allowed_methods(edge: str, path: str, method: str, status: int) -> None:
    options = ("-I",) if method == "HEAD" else ("-X", method)
    assert ask(edge, path, *options).status == status


def test_the_custom_page_of_an_error(edge: str) -> None:
    answer = ask(edge, "/no/such/page")
    assert (answer.status, answer.x_cache) == (404, "Error")
    assert answer.body == (ROOT / "config" / "bucket" / "404.html").read_bytes()


def test_another_name_is_not_its_own(edge: str) -> None:
    assert curl(f"{edge}/", "-H", "Host: other.example.test").status == 403
