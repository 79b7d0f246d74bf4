"""Private content over real processes: what AWS's own signers make opens, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.end_to_end.foreign import UnavailableError
from tests.end_to_end.foreign_signers import (
    Wanted,
    by_awscli,
    by_botocore,
    by_javascript,
)
from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.processes import wait_for
from tests.end_to_end.viewers import curl, curling
from tests.rules.private.signers import EC, RSA, Signer

MISSING = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>MissingKey</Code>'
    b"<Message>Missing Key-Pair-Id query parameter or cookie value</Message></Error>"
)
DAY_S = 86_400
VIDEO_BYTES = 20 * 1024 * 1024
_TRUSTED = 'trusted_key_groups = ["team"], trusted_native_keys = {native}'


@dataclass(frozen=True, slots=True)
class Private:
    """An installation whose site is private."""

    up: Up
    folder: Path

    def trust(self, *signers: Signer, native: str = '["k1"]') -> None:
        """Write the configuration anew: the site trusts these keys."""
        installation = self.up.installation
        write(installation, signers, native=native)
        code, _, said = installation.run("reload")
        assert code == 0, said


def write(installation: Any, signers: Sequence[Signer], *, native: str = '["k1"]') -> None:
    installation.write()
    text = installation.config.read_text().replace(
        'default_behavior = { origin = "bucket" }',
        f'default_behavior = {{ origin = "bucket", {_TRUSTED.format(native=native)} }}',
        1,
    )
    for signer in signers:
        (installation.folder / f"{signer.key_id}.pem").write_text(signer.public_pem)
        text += f'\n[[public_keys]]\nid = "{signer.key_id}"\npem_file = "{signer.key_id}.pem"\n'
    ids = ", ".join(f'"{signer.key_id}"' for signer in signers)
    text += f'\n[[key_groups]]\nid = "team"\nkeys = [{ids}]\n'
    installation.config.write_text(text)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Private]:
    folder = tmp_path_factory.mktemp("private")
    installation = make_installation(folder, workers=1)
    write(installation, (RSA, EC))
    up = start_up(installation)
    yield Private(up, folder)
    assert up.process.stop() == 0, up.process.stderr


def table(host: str) -> list[Wanted]:
    """What is signed, and opens."""
    now = int(time.time())
    page = f"{host}/about.html"
    odd = quote("ü €~*'()!", safe="*'()!~")
    return [
        Wanted(page, now + 100),
        Wanted(f"{page}?x=1&y=%2F&z", now + DAY_S),
        Wanted(f"{page}?name={odd}&plus=a+b", now + DAY_S),
        Wanted(page, 4_102_444_800),
        Wanted(page, now + 100, f"{host}/*"),
        Wanted(f"{page}?a=b", now + 100, f"{host}/ab?ut.html*"),
        Wanted(page, now + 100, "http*://*/about.html"),
        Wanted(page, now + 100, after=now - 100),
        Wanted(f"{page}?q=1", now + 100, address="127.0.0.1/32"),
        Wanted(page, now + 100, f"{host}/about*", now - DAY_S, "0.0.0.0/0"),
    ]


SIGNERS: dict[str, Callable[[Signer, Sequence[Wanted]], list[str]]] = {
    "botocore": by_botocore,
    "awscli": by_awscli,
    "javascript": by_javascript,
}


def mutations(url: str) -> Iterator[str]:
    """Each is another token, or the token at another URL."""
    bare, _, query = url.partition("?")
    parts = [part for part in query.split("&") if part]
    names = [part.partition("=")[0] for part in parts]
    signature = parts[names.index("Signature")]
    middle = len(signature) // 2
    other = "A" if signature[middle] != "A" else "B"
    yield url.replace(signature, signature[:middle] + other + signature[middle + 1 :])
    yield f"{bare}?{'&'.join(p for p in parts if not p.startswith('Key-Pair-Id'))}"
    yield f"{bare}?{'&'.join(p for p in parts if not p.startswith('Signature'))}"
    yield f"{url}&{signature}"
    yield url.replace(RSA.key_id, EC.key_id)
    yield url.replace("about.html", "index.html") if "Policy" not in names else f"{url}&Expires=9"
    if "Expires" in names:
        yield url.replace("Expires=", "Expires=1")
        yield url.replace("?", "?more=1&", 1)


@pytest.mark.parametrize("name", SIGNERS)
def test_what_others_sign_opens_and_nothing_like_it(private: Private, name: str) -> None:
    wanted = [one for one in table(private.up.lhr) if name != "awscli" or not one.resource]
    try:
        signed = SIGNERS[name](RSA, wanted)
    except UnavailableError as error:
        pytest.skip(str(error))
    assert len(signed) == len(wanted)
    for url in signed:
        answer = curl(url, "--globoff")
        assert answer.status == 200, (url, answer.body)
    for url in (signed[1], next(url for url in signed if "Policy=" in url)):
        for wrong in mutations(url):
            assert wrong != url
            assert curl(wrong, "--globoff").status == 403, wrong


def test_cookies_of_the_javascript_sdk_open(private: Private) -> None:
    wanted = [*table(private.up.lhr)[:2], table(private.up.lhr)[4]]
    try:
        signed = by_javascript(RSA, wanted, cookies=True)
    except UnavailableError as error:
        pytest.skip(str(error))
    for one, cookies in zip(wanted, signed, strict=True):
        line = "; ".join(f"{name}={value}" for name, value in cookies.items())
        assert curl(one.url, "--cookie", line).status == 200
        assert curl(f"{one.url.partition('?')[0]}x", "--cookie", line).status in (403, 404)
        assert curl(one.url, "--cookie", line.replace("Signature=", "Signature=AAAA")).status == 403


def test_hits_heads_and_ranges_are_private_too(private: Private) -> None:
    url = f"{private.up.nrt}/assets/site.css"
    (signed,) = by_botocore(RSA, [Wanted(url, int(time.time()) + 100)])
    assert curl(signed).x_cache == "Miss"
    assert curl(signed).x_cache == "Hit"
    assert curl(signed, "--range", "0-3").status == 206
    assert curl(signed, "--head").status == 200
    for options in ((), ("--range", "0-3"), ("--head",), ("-X", "OPTIONS")):
        answer = curl(url, *options)
        assert answer.status == 403, options
    refused = curl(url)
    assert (refused.body, refused.fields["content-type"]) == (MISSING, "text/xml")
    assert refused.x_cache == "Error"
    assert curl(signed).x_cache == "Hit"  # our 403 is nobody's object


def commanded(private: Private, *arguments: str) -> str:
    code, said, wrong = private.up.installation.run(*arguments)
    assert code == 0, (said, wrong)
    return said


def test_our_own_tokens_open(private: Private) -> None:
    url = f"{private.up.lhr}/about.html"
    signed = commanded(private, "sign-url", f"{url}?x=1", "--for", "1h").strip()
    assert curl(signed).status == 200
    assert curl(signed.replace("x=1", "x=2")).status == 403
    line = commanded(private, "sign-cookies", url, "--prefix", "/assets/").strip()
    inside = f"{private.up.lhr}/assets/site.css"
    assert curl(inside, "--cookie", line).status == 200
    assert curl(url, "--cookie", line).status == 403
    assert "is not under /assets/" in explained(private, url, "--cookie", line)


def explained(private: Private, *arguments: str) -> str:
    code, said, wrong = private.up.installation.run("explain-signature", *arguments)
    assert code == 1, (said, wrong)
    return said


def test_our_command_signs_as_amazons_does(private: Private) -> None:
    key = private.folder / "private.pem"
    key.write_text(RSA.private_pem)
    url = f"{private.up.lhr}/about.html"
    wanted = ("--key", RSA.key_id, "--private-key", str(key), "--for", "10m")
    for more in ((), ("--sha256",), ("--prefix", "/"), ("--address", "127.0.0.1")):
        assert curl(commanded(private, "sign-url", url, *wanted, *more).strip()).status == 200
    lines = commanded(private, "sign-cookies", url, *wanted, "--prefix", "/").splitlines()
    assert curl(url, "--cookie", "; ".join(lines)).status == 200
    elsewhere = ("--address", "192.0.2.1")
    signed = commanded(private, "sign-url", url, *wanted, *elsewhere).strip()
    assert curl(signed).status == 403
    assert "the address is not in 192.0.2.1/32" in explained(private, signed)


def test_a_key_comes_and_goes_on_every_node_while_a_download_goes_on(private: Private) -> None:
    end = int(time.time()) + 100

    def both(signer: Signer) -> set[int]:
        urls = (f"{private.up.lhr}/index.html", f"{private.up.nrt}/index.html")
        return {curl(by_botocore(signer, [Wanted(url, end)])[0]).status for url in urls}

    assert both(RSA) == {200}
    (video,) = by_botocore(RSA, [Wanted(f"{private.up.lhr}/media/video.mp4", end)])
    with curling(video, "--limit-rate", "8M") as download:
        wait_for("the download has begun", download.size)
        private.trust(EC)
        wait_for("the key is gone everywhere", lambda: both(RSA) == {403}, deadline_s=10)
        assert curl(video).status == 403
        assert download.exit_code() == 0
        assert download.size() == VIDEO_BYTES
    private.trust(EC, RSA, native="[]")
    wait_for("the key is back everywhere", lambda: both(RSA) == {200}, deadline_s=10)
    token = commanded(private, "sign-url", f"{private.up.lhr}/about.html").strip()
    assert curl(token).status == 403
    private.trust(RSA, EC)
    wait_for("tokens open again", lambda: curl(token).status == 200, deadline_s=10)
    commanded(private, "keys", "generate", "k2", "--type", "native")
    newest = commanded(private, "sign-url", f"{private.up.lhr}/about.html").strip()
    assert curl(newest).status == 403
    write(private.up.installation, (RSA, EC), native='["k1", "k2"]')
    assert private.up.installation.run("reload")[0] == 0
    wait_for("a secret made meanwhile counts", lambda: curl(newest).status == 200, deadline_s=10)
    assert curl(token).status == 200
