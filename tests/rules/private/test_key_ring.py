"""Whom a behavior trusts, which of two signatures counts, and what is remembered of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edgecache.config.model import Behavior, Config, KeyGroup, PublicKey
from edgecache.http.message import Request, first_value
from edgecache.rules.private.key_ring import TrustedKeys, key_ring
from edgecache.rules.private.native_token import TokenGrant, issued, native_signer
from edgecache.rules.private.signature_check import SignatureAccepted
from tests.rules.pieces import NOW, asks
from tests.rules.private.signers import EC, RSA, in_cookies, in_url

SECRETS = {"n1": "1" * 32, "n2": "2" * 32}
CONFIG = Config(
    public_keys=tuple(PublicKey(id=key.key_id, pem=key.public_pem) for key in (RSA, EC)),
    key_groups=(KeyGroup(id="rsa", keys=(RSA.key_id,)), KeyGroup(id="ec", keys=(EC.key_id,))),
    trusted_signers={"self": (EC.key_id,)},
)
END = int(NOW) + 60
URL = "http://site.test/a"


def trust(**named: Any) -> TrustedKeys:
    found = key_ring(CONFIG, SECRETS).trust(Behavior(origin="o", **named))
    assert found is not None
    return found


def asked(url: str, cookie: str = "") -> Request:
    more = (f"cookie: {cookie}",) if cookie else ()
    return asks(url.removeprefix("http://site.test"), "host: site.test", *more)


def token(key_id: str = "n1") -> str:
    grant = TokenGrant(END, "site.test", "/a")
    return issued(grant, key_id, native_signer(SECRETS[key_id])).decode()


def said(found: TrustedKeys, request: Request) -> str:
    opened = found.opens(request, NOW)
    return opened.key_id if isinstance(opened, SignatureAccepted) else str(opened.fault)


def test_a_behavior_is_public_until_it_names_somebody() -> None:
    assert key_ring(CONFIG, SECRETS).trust(Behavior(origin="o")) is None


@pytest.mark.parametrize(
    ("named", "keys", "native"),
    [
        ({"trusted_key_groups": ("rsa",)}, {RSA.key_id}, set()),
        ({"trusted_key_groups": ("rsa", "ec")}, {RSA.key_id, EC.key_id}, set()),
        ({"trusted_signers": ("self",)}, {EC.key_id}, set()),
        ({"trusted_native_keys": ("n2",)}, set(), {"n2"}),
        ({"trusted_native_keys": ("gone",)}, set(), set()),
    ],
)
def test_who_is_trusted(named: dict[str, Any], keys: set[str], native: set[str]) -> None:
    found = trust(**named)
    assert (set(found.keys), set(found.native)) == (keys, native)
    assert said(found, asked(URL)) == "MissingKey"


BOTH: dict[str, Any] = {"trusted_key_groups": ("rsa",), "trusted_native_keys": ("n1",)}


@pytest.mark.parametrize(
    ("url", "cookie", "expected"),
    [
        (in_url(RSA, URL, END), "", RSA.key_id),
        (f"{URL}?edgecache-token={token()}", "", "n1"),
        (URL, in_cookies(RSA, URL, END), RSA.key_id),
        (URL, f"Edgecache-Token={token()}", "n1"),
        (URL, f"Edgecache-Token={token()}; {in_cookies(RSA, URL, END)}", RSA.key_id),
        (f"{URL}?edgecache-token={token()}", in_cookies(RSA, URL, END), "n1"),
        (f"{URL}?edgecache-token={token()}&Expires=1", "", "MissingKey"),
        (in_url(EC, URL, END), f"Edgecache-Token={token()}", "InvalidKey"),
        (f"{URL}?edgecache-token={token('n2')}", "", "InvalidKey"),
    ],
)
def test_which_signature_counts(url: str, cookie: str, expected: str) -> None:
    assert said(trust(**BOTH), asked(url, cookie)) == expected


def test_names_of_signers_that_are_not_trusted_are_the_sites_own() -> None:
    ours = asked(f"{URL}?Expires=1&edgecache-token=x", "CloudFront-Policy=p; Edgecache-Token=x")
    assert trust(trusted_native_keys=("n1",)).stripped(ours).target == b"/a?Expires=1"
    assert trust(trusted_key_groups=("rsa",)).stripped(ours).target == b"/a?edgecache-token=x"
    stripped = trust(**BOTH).stripped(ours)
    assert (stripped.target, dict(stripped.fields)) == (b"/a", {b"host": b"site.test"})


def test_only_genuine_signatures_are_remembered_and_judged_each_time() -> None:
    found = trust(trusted_key_groups=("rsa", "ec"))
    policy = RSA.policy("http://site.test/*", END)
    for path in ("a", "b", "c"):
        assert said(found, asked(in_url(RSA, f"http://site.test/{path}", policy=policy))) != ""
    assert (len(found.proven.signed), len(found.proven.urls)) == (1, 3)
    forged = in_url(RSA, URL, policy=policy).replace(RSA.key_id, EC.key_id)
    assert said(found, asked(forged)) == "AccessDenied"
    assert said(found, asked(f"{in_url(RSA, URL, END)}&more=1")) == "AccessDenied"
    assert (len(found.proven.signed), len(found.proven.urls)) == (1, 3)
    late = found.opens(asked(in_url(RSA, URL, policy=policy)), END)
    assert not isinstance(late, SignatureAccepted)


def test_a_url_that_was_opened_is_a_look_up_for_whom_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = key_ring(CONFIG, SECRETS)
    rsa = ring.trust(Behavior(origin="o", trusted_key_groups=("rsa",)))
    ec = ring.trust(Behavior(origin="o", trusted_key_groups=("ec",)))
    assert rsa is not None
    assert ec is not None
    policy = RSA.policy(URL, END, after=int(NOW) - 9, address="192.0.2.0/24")
    url = in_url(RSA, f"{URL}", policy=policy)
    request = replace(asked(url), client=("192.0.2.9", 1))
    opened = rsa.opens(request, NOW)
    assert isinstance(opened, SignatureAccepted)
    monkeypatch.setattr("edgecache.rules.private.signature_check.presented", lambda _request: 1 / 0)
    assert rsa.opens(request, NOW) is opened
    for now, client in ((END, "192.0.2.9"), (NOW - 9, "192.0.2.9"), (NOW, "198.51.100.1")):
        refused = rsa.opens(replace(request, client=(client, 1)), now)
        assert not isinstance(refused, SignatureAccepted)
        assert refused.fault == "AccessDenied"
    monkeypatch.undo()
    assert said(ec, request) == "InvalidKey"  # another behavior does not trust the key
    for other in (
        replace(request, scheme=b"https"),
        replace(request, path=b"/b"),
        replace(request, fields=((b"host", b"site.test:80"),)),
        replace(request, query=(request.query or b"") + b"&x"),
    ):
        assert said(rsa, other) == "AccessDenied"


def test_what_is_left_of_a_url_is_remembered_with_it() -> None:
    found = trust(trusted_key_groups=("rsa",))
    request = asked(in_url(RSA, f"{URL}?x=1", END))
    cookie = asked(in_url(RSA, f"{URL}?x=1", END), "CloudFront-Expires=1; a=b")
    for _ in range(2):
        assert found.stripped(request, found.opens(request, NOW)).target == b"/a?x=1"
        left = found.stripped(cookie, found.opens(cookie, NOW))
        assert (left.target, first_value(left.fields, b"cookie")) == (b"/a?x=1", b"a=b")
