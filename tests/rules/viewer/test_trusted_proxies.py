"""Who the viewer is behind trusted proxies, and that nobody else's word counts."""

from __future__ import annotations

import pytest

from edgecache.http.message import Fields, Request
from edgecache.rules.viewer.trusted_proxies import TrustedProxies

PROXIES = TrustedProxies(("10.0.0.0/8", "192.0.2.9", "2001:db8:1::/48"))
PROXY = ("10.1.2.3", 40_000)
FOR, PROTO = b"x-forwarded-for", b"x-forwarded-proto"


def asked(*fields: tuple[bytes, bytes], scheme: bytes = b"http") -> Request:
    host = (b"host", b"site.test")
    return Request(b"GET", b"/", None, (host, *fields), scheme=scheme, client=PROXY)


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.0.0.0", True), ("10.255.255.255", True), ("11.0.0.0", False), ("9.255.255.255", False),
        ("192.0.2.9", True), ("192.0.2.8", False), ("2001:db8:1::7", True), ("2001:db8:2::", False),
        ("::ffff:10.1.1.1", True), ("", False), ("unknown", False), ("10.0.0.1:80", False),
    ],
)  # fmt: skip
def test_whose_word_counts(address: str, trusted: bool) -> None:
    assert PROXIES.trusts(address) is trusted


FAR = ("203.0.113.7", 0)
CHAINS: list[tuple[list[bytes], tuple[str, int], bytes]] = [
    ([b"203.0.113.7"], FAR, b""),
    ([b"203.0.113.7:51000"], ("203.0.113.7", 51_000), b""),
    ([b"[2001:db8::7]:51000"], ("2001:db8::7", 51_000), b""),
    ([b"2001:DB8:0::7"], ("2001:db8::7", 0), b""),
    ([b"::ffff:203.0.113.7"], FAR, b""),
    ([b"203.0.113.7, 10.9.9.9"], FAR, b""),
    ([b"203.0.113.7, 10.9.9.9 ,192.0.2.9"], FAR, b""),
    ([b"203.0.113.7", b"10.9.9.9"], FAR, b""),
    ([b"198.51.100.1, 203.0.113.7"], FAR, b"198.51.100.1"),  # the viewer's own claim
    ([b"198.51.100.1", b"203.0.113.7, 10.9.9.9"], FAR, b"198.51.100.1"),
    ([b"10.8.8.8, 203.0.113.7, 10.9.9.9"], FAR, b"10.8.8.8"),  # a claim to be a proxy
    ([b"10.8.8.8, 10.9.9.9"], ("10.8.8.8", 0), b""),  # all are ours: the farthest
    ([b"unknown, 203.0.113.7"], FAR, b"unknown"),
    ([b'"quoted, 203.0.113.7'], FAR, b'"quoted'),  # a quote hides nothing
    ([b"203.0.113.7,"], FAR, b""),
    ([b"203.0.113.7, unknown"], PROXY, b""),  # the proxy knows nobody: it is the proxy
    ([b"203.0.113.7, 10.9.9.9, unix:"], PROXY, b""),
    ([b"203.0.113.7, _hidden, 10.9.9.9"], ("10.9.9.9", 0), b""),
    ([b""], PROXY, b""),
    ([b", ".join([b"203.0.113.7"] + [b"10.9.9.9"] * 40)], ("10.9.9.9", 0),
     b", ".join([b"203.0.113.7"] + [b"10.9.9.9"] * 8)),
]  # fmt: skip


@pytest.mark.parametrize(("values", "client", "left"), CHAINS)
def test_the_rightmost_that_is_not_trusted_is_the_viewer(
    values: list[bytes], client: tuple[str, int], left: bytes
) -> None:
    request = asked((b"a", b"1"), *[(FOR, value) for value in values], (b"z", b"2"))
    resolved = PROXIES.resolved(request, trusted=True)
    told: Fields = ((FOR, left),) if left else ()
    assert resolved.client == client
    assert resolved.fields == ((b"host", b"site.test"), (b"a", b"1"), *told, (b"z", b"2"))
    assert PROXIES.resolved(request, trusted=False).client is PROXY


@pytest.mark.parametrize(
    ("protos", "chain", "own", "scheme"),
    [
        ([b"https"], b"203.0.113.7", b"http", b"https"),
        ([b"HTTPS"], b"203.0.113.7", b"http", b"https"),
        ([b"http"], b"203.0.113.7", b"https", b"http"),  # the proxy speaks TLS to us, not to it
        ([], b"203.0.113.7", b"https", b"https"),
        ([], b"203.0.113.7", b"http", b"http"),
        ([b"https"], b"", b"http", b"https"),
        ([b"https, http"], b"203.0.113.7, 10.9.9.9", b"http", b"https"),  # one for each
        ([b"http", b"https"], b"203.0.113.7, 10.9.9.9", b"http", b"http"),
        ([b"https, http"], b"198.51.100.1, 203.0.113.7", b"http", b"http"),  # a claim, and its end
        ([b"https, http"], b"203.0.113.7", b"http", b"http"),  # not certain
        ([b"https, http"], b"203.0.113.7, unknown", b"http", b"http"),
        ([b"https, https"], b"203.0.113.7", b"http", b"https"),
        ([b"wss"], b"203.0.113.7", b"http", b"http"),
        ([b""], b"203.0.113.7", b"https", b"http"),
    ],
)
def test_a_trusted_proxy_says_how_the_viewer_came(
    protos: list[bytes], chain: bytes, own: bytes, scheme: bytes
) -> None:
    fields = [(FOR, chain), *[(PROTO, proto) for proto in protos]]
    resolved = PROXIES.resolved(asked(*fields, scheme=own), trusted=True)
    assert resolved.scheme == scheme
    assert [value for name, value in resolved.fields if name == PROTO] == [scheme] * bool(protos)


@pytest.mark.parametrize("own", [b"http", b"https"])
def test_nobody_else_says_how_the_viewer_came(own: bytes) -> None:
    request = asked((FOR, b"203.0.113.7"), (PROTO, b"https"), scheme=own)
    resolved = PROXIES.resolved(request, trusted=False)
    assert (resolved.scheme, resolved.client) == (own, PROXY)
    assert resolved.fields == ((b"host", b"site.test"), (FOR, b"203.0.113.7"))


def test_who_says_nothing_is_let_be() -> None:
    request = asked((b"accept", b"*/*"))
    assert PROXIES.resolved(request, trusted=True) is request
    assert PROXIES.resolved(request, trusted=False) is request
