"""Signing from the command line, and what it says of signatures that do not open."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from edgecache.cli.main import app
from tests.rules.private.signers import EC, RSA, Signer, in_cookies, in_url

SECRET = "v" * 43
NOW = int(time.time())
TEXT = """
state_dir = "state"

[[distributions]]
id = "E1"
aliases = ["site.test"]
default_root_object = "index.html"
origins = [{ id = "o", domain_name = "origin.test" }]
default_behavior = { origin = "o" }

[[distributions.behaviors]]
path_pattern = "/v/*"
origin = "o"
trusted_key_groups = ["team"]
trusted_native_keys = ["k1", "k2"]

[[public_keys]]
id = "KTESTRSA000009"
pem_file = "rsa.pem"

[[key_groups]]
id = "team"
keys = ["KTESTRSA000009"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "edgecache.toml").write_text(TEXT)
    (tmp_path / "rsa.pem").write_text(RSA.public_pem)
    (tmp_path / "rsa.private.pem").write_text(RSA.private_pem)
    (tmp_path / "ec.private.pem").write_text(EC.private_pem)
    state = tmp_path / "state"
    state.mkdir()
    kinds = {name: {"k1": SECRET[::-1]} for name in ("peer", "identity", "operator")}
    secrets = state / "secrets.json"
    secrets.write_text(json.dumps({**kinds, "viewer": {"k1": SECRET, "k2": SECRET[:-1] + "w"}}))
    secrets.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGECACHE_SECRETS", raising=False)
    return tmp_path


def ran(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    assert SECRET[:-1] not in result.output
    return result


def explained(url: str, *more: str, code: int = 1) -> str:
    return ran("explain-signature", url, *more, code=code).output


PAGE = "https://site.test/v/a.mp4"
SIGNED_BY_RSA = ("--key", RSA.key_id, "--private-key", "rsa.private.pem")


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--for", "7d", "--key", "k1"),
        ("--prefix", "/v/"),
        ("--address", "127.0.0.1"),
        SIGNED_BY_RSA,
        (*SIGNED_BY_RSA, "--sha256", "--for", "90s"),
        (*SIGNED_BY_RSA, "--prefix", "/v/"),
        (*SIGNED_BY_RSA, "--resource", "https://site.test/v/?.mp4*", "--address", "127.0.0.0/8"),
    ],
)
@pytest.mark.parametrize("url", [PAGE, f"{PAGE}?x=1&y", f"{PAGE}?", f"{PAGE}?name=ü#part"])
def test_what_is_signed_opens(folder: Path, url: str, options: tuple[str, ...]) -> None:
    signed = ran("sign-url", url, *options).output.strip()
    assert "opens         until" in explained(signed, code=0)
    cookies = ran("sign-cookies", url, *options).output.split()
    bare = signed.partition("?")[0] if url == PAGE else url.partition("#")[0].rstrip("?")
    given = [part for cookie in cookies for part in ("--cookie", cookie)]
    if bare.isascii():
        assert "opens         until" in explained(bare, *given, code=0)


def test_without_a_key_id_the_newest_signs(folder: Path) -> None:
    assert "edgecache-token=k2." in ran("sign-url", PAGE).output


def custom(signer: Signer, resource: str, before: int) -> str:
    return in_url(signer, PAGE, policy=signer.policy(resource, before))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (PAGE, "MissingKey: no Key-Pair-Id in URL or cookies"),
        (in_url(RSA, PAGE, NOW - 12), "AccessDenied: expired "),
        (
            custom(RSA, "https://site.test/w/*", NOW + 900),
            f"AccessDenied: the URL is {PAGE}, the policy says https://site.test/w/*",
        ),
        (in_url(EC, PAGE, NOW + 900), f"InvalidKey: {EC.key_id} is not trusted here"),
        (
            in_url(RSA, PAGE, NOW + 900) + "&more=1",
            "AccessDenied: the signature is not this key's",
        ),
        (f"{PAGE}?edgecache-token=k9.e30.x", "InvalidKey: k9 is not trusted here"),
        ("https://other.test/v/a.mp4", "no distribution answers to other.test"),
    ],
)
def test_why_it_stays_shut(folder: Path, url: str, said: str) -> None:
    assert said in explained(url)


def test_what_is_looked_at_is_told(folder: Path) -> None:
    out = explained(in_url(RSA, PAGE, NOW + 900) + "&more=1")
    assert "distribution  E1" in out
    assert "behavior      /v/* (key groups team; native keys k1, k2)" in out
    assert f"presented     canned policy, key {RSA.key_id}, SHA1" in out
    assert f"URL           {PAGE}?more=1" in out
    assert "opens         to everybody" in explained("https://site.test/", code=0)
    cookie = in_cookies(RSA, policy=RSA.policy("https://site.test/v/*", NOW + 900))
    assert "custom policy" in explained(PAGE, "--cookie", cookie, code=0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("site.test/a",), 'URL: "site.test/a" is not http://HOST/PATH or https://HOST/PATH'),
        ((PAGE, "--for", "1y"), '--for: "1y" is not a time like 90s, 15m, 1h, 7d'),
        ((PAGE, "--for", "99999d"), '--for: "99999d" is not a time'),
        ((PAGE, "--prefix", "v"), '--prefix: "v" does not start with /'),
        ((PAGE, "--address", "here"), '--address: "here" is not an address or network'),
        ((PAGE, "--sha256"), "they need --private-key"),
        ((PAGE, "--private-key", "rsa.private.pem"), "--key: missing"),
        ((PAGE, "--key", "K1", "--private-key", "gone.pem"), "gone.pem: no such file"),
        ((PAGE, "--key", "K1", "--private-key", "rsa.pem"), "rsa.pem: not the PEM of a private"),
    ],
)
def test_wrong_wishes_are_refused(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in ran("sign-url", *arguments, code=2).output


def test_an_unknown_secret_is_named_and_no_secret_shown(folder: Path) -> None:
    out = ran("sign-url", PAGE, "--key", "k7", code=1).output
    assert 'there is no secret "k7" for viewers (known: k1, k2)' in out


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_a_generated_pair_works_as_told(folder: Path, kind: str) -> None:
    told = ran("keys", "generate", "new", "--type", kind).output
    key_id = told.partition('id = "')[2].partition('"')[0]
    text = TEXT.partition("[[public_keys]]")[0].replace('"team"', '"new"') + told
    (folder / "edgecache.toml").write_text(text)
    options = ("--key", key_id, "--private-key", "new.private.pem")
    signed = ran("sign-url", PAGE, *options).output.strip()
    assert "opens         until" in explained(signed, code=0)
    assert (folder / "new.private.pem").stat().st_mode & 0o777 == 0o600
    again = ran("keys", "generate", "new", code=2).output
    assert "new.private.pem: file exists" in again


def test_a_new_secret_signs_from_then_on(folder: Path) -> None:
    assert (
        'trusted_native_keys = ["k3"]' in ran("keys", "generate", "k3", "--type", "native").output
    )
    assert "edgecache-token=k3." in ran("sign-url", PAGE).output
    assert "viewer.k3: is there" in ran("keys", "generate", "k3", "--type", "native", code=2).output


def test_key_pairs_of_stores_are_put_and_taken_away(folder: Path) -> None:
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    put = ["keys", "store", "minio", "--access-key-id", "AKID"]
    result = CliRunner().invoke(app, put, input=f"{secret}\n")
    assert result.exit_code == 0, result.output
    assert secret not in result.output
    assert 'id = "minio"' in result.output
    held = json.loads((folder / "state" / "secrets.json").read_text())
    assert held["origin"] == {"minio": {"access_key_id": "AKID", "secret_access_key": secret}}
    assert held["viewer"]["k1"] == SECRET
    result = CliRunner().invoke(app, [*put, "--temporary"], input=f"{secret}\ntoken\n")
    held = json.loads((folder / "state" / "secrets.json").read_text())
    assert held["origin"]["minio"]["session_token"] == "token"
    ran("keys", "store", "minio", "--remove")
    assert "origin.minio: is not there" in ran("keys", "store", "minio", "--remove", code=2).output
    assert "one of them is needed" in ran("keys", "store", "minio", code=2).output
    assert "not 1-4096 printable" in ran(*put, code=2).output  # nothing on standard input
