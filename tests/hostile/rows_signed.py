"""Section 12: signed URLs and cookies that are almost right. Nothing of them reaches an origin."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from edgecache.config.model import Behavior, CachePolicy, KeyGroup, PublicKey, Selection
from edgecache.rules.private.signature_fields import encoded_token
from edgecache.rules.routing import compile_routes
from tests.hostile.stage import HostilePlay
from tests.hostile.story import Step, Story, asks
from tests.rules.private.signers import EC, RSA, in_cookies, in_url
from tests.world.clock import START
from tests.world.play import EVERY_METHOD, config_of

PATH, URL = "/private/a", "http://site.test/private/a"
NOW, END = int(START), int(START) + 100
OPEN = Behavior(
    path_pattern="/private/*",
    origin="o",
    cache_policy=CachePolicy(query_strings=Selection(behavior="all")),
    allowed_methods=EVERY_METHOD,
    trusted_key_groups=("team",),
)
KEYS = tuple(PublicKey(id=signer.key_id, pem=signer.public_pem) for signer in (RSA, EC))
SCENE: dict[str, Any] = {
    "site": {"behaviors": (OPEN,)},
    "whole": {
        "public_keys": KEYS,
        "key_groups": (
            KeyGroup(id="team", keys=(RSA.key_id,)),
            KeyGroup(id="other", keys=(EC.key_id,)),
        ),
    },
}
BOTH: dict[str, Any] = SCENE | {
    "whole": {
        "public_keys": KEYS,
        "key_groups": (KeyGroup(id="team", keys=(RSA.key_id, EC.key_id)),),
    }
}
GOOD = in_url(RSA, f"{URL}?x=1", END)
SIGNED_ONLY = (b"signature", b"key-pair-id", b"cloudfront-")  # what no origin may read
REFUSED = b"<?xml"


def target(url: str) -> bytes:
    return url.removeprefix("http://site.test").encode()


def opens(url: str, *lines: bytes, reaches: int | None = None, **more: Any) -> Step:
    return Step(asks(target(url), *lines), never=SIGNED_ONLY, reaches=reaches, **more)


def shut(url: str, *lines: bytes, method: bytes = b"GET", **more: Any) -> Step:
    request = asks(target(url), *lines, method=method)
    has = b"" if method == b"HEAD" else REFUSED
    return Step(request, status=(403,), has=has, reaches=0, **more)


def ambiguous(url: str) -> Step:
    """Neither signature nor origin is asked about a path that origins may read differently."""
    return Step(asks(target(url)), status=(400,), reaches=0)


def story(id: str, what: str, *steps: Step, **more: Any) -> Story:
    return Story(id, what, steps, scene=more.pop("scene", SCENE), **more)


def refused(id: str, what: str, urls: Sequence[str], **more: Any) -> Story:
    """None of them opens, though what they were made of has, and is in the cache."""
    return story(id, what, opens(GOOD), *map(shut, urls), opens(GOOD, reaches=0), **more)


def parameter(url: str, name: str) -> str:
    return next(part for part in url.partition("?")[2].split("&") if part.startswith(f"{name}="))


def flipped(url: str, name: str) -> list[str]:
    """One character of a parameter changed, at its beginning, in the middle and near its end."""
    given = parameter(url, name)
    value = given.partition("=")[2]
    found = []
    for at in (0, len(value) // 2, len(value) - 4):
        other = "B" if value[at] == "A" else "A" if value[at].isalpha() else "7"
        other = "8" if other == value[at] else other
        found.append(url.replace(given, f"{name}={value[:at]}{other}{value[at + 1 :]}"))
    return found


def custom(policy: bytes, url: str = URL) -> str:
    return in_url(RSA, url, policy=policy)


def resource(text: str, url: str) -> str:
    return custom(RSA.policy(text, END), url)


def signed_as(signature: bytes, key: str = EC.key_id) -> str:
    return f"{URL}?Expires={END}&Signature={encoded_token(signature).decode()}&Key-Pair-Id={key}"


def respelled(url: str) -> list[str]:
    """The same signature in other words: padding, bits beyond the end, standard base64."""
    given = parameter(url, "Signature")
    value = given.partition("=")[2]
    bare = value.rstrip("_")
    return [
        url.replace(given, f"Signature={bare}"),
        url.replace(given, f"Signature={value}____"),
        url.replace(given, f"Signature={value.replace('_', '%5F')}"),
        url.replace(given, f"Signature={bare[:-1]}{'B' if bare[-1] != 'B' else 'C'}__"),
        url.replace(given, f"Signature={b64encode(_plain(value)).decode()}"),
    ]


def _plain(value: str) -> bytes:
    return b64decode(value.translate(str.maketrans("-_~", "+=/")))


def _key_taken_away(play: HostilePlay) -> None:
    """S14: what is remembered of a key is worth nothing once it is gone."""
    config = config_of(play.scene)
    group = KeyGroup(id="team", keys=(EC.key_id,))
    config = replace(config, key_groups=(group,))
    play.listener.frontend.table = compile_routes(config)
    client = play.client("afterwards")
    client.sends([asks(target(GOOD))])
    (answered,) = client.answers([b"GET"])
    assert (answered.status, b"InvalidKey" in answered.body) == (403, True)


CUSTOM = custom(RSA.policy(URL, END))
HASHED = in_url(RSA, URL, END, sha256=True)
ECDSA = _plain(parameter(in_url(EC, URL, END), "Signature").partition("=")[2])
LONG_DER = b"\x30" + bytes([ECDSA[1] + 1]) + b"\x02" + bytes([ECDSA[3] + 1]) + b"\0" + ECDSA[4:]
NO_RESOURCE = b'{"Statement":[{"Condition":{"DateLessThan":{"AWS:EpochTime":%d}}}]}' % END
STRANGE = ("http://*.test:81/*", "https://site.test/*", "http://site.?est/private/a?x")
ELSEWHERE = custom(RSA.policy(URL, END, address="198.51.100.1"))

TAMPERED = [
    refused("S01", f"one character changed in {name} ({kind})", flipped(url, name))
    for kind, url, names in (
        ("canned", GOOD, ("Expires", "Signature", "Key-Pair-Id")),
        ("custom", CUSTOM, ("Policy", "Signature", "Key-Pair-Id")),
    )
    for name in names
]
TAMPERED += [
    refused(
        "S03",
        f"{name} given twice",
        [f"{url}&{parameter(url, name)}", url.replace("?", f"?{parameter(url, name)}&", 1)],
    )
    for url, name in (
        (CUSTOM, "Policy"),
        (GOOD, "Signature"),
        (GOOD, "Expires"),
        (GOOD, "Key-Pair-Id"),
        (HASHED, "Hash-Algorithm"),
    )
]
TAMPERED += [
    refused(
        "S04", "Expires and Policy together", [f"{CUSTOM}&Expires={END}", f"{GOOD}&Policy=e30_"]
    ),
    refused("S09", "a parameter added", [f"{GOOD}&y=2", GOOD.replace("?", "?y=2&"), f"{GOOD}&"]),
    refused("S09", "a parameter taken away", [GOOD.replace("x=1&", ""), GOOD.replace("x=1", "x=")]),
    refused(
        "S09",
        "parameters in another order",
        [in_url(RSA, f"{URL}?a=1&b=2", END).replace("a=1&b=2", "b=2&a=1")],
    ),
    refused(
        "S10",
        "the path in other words",
        [
            GOOD.replace(PATH, other)
            for other in ("/private%2Fa", "/private/%61", "/private/%2561", "//private/a",
                          "/private;x/a", "/private/a;x", "/private/a/", "/private/A")
        ],
    ),
    story(
        "S10",
        "the path with dot segments, signed for as it is",
        *(
            ambiguous(in_url(RSA, f"http://site.test{other}", END))
            for other in ("/private/./a", "/private/x/../a", "/private/..;/s", "/private/a%00")
        ),
    ),
    refused("S12", "a policy without Resource", [custom(NO_RESOURCE)]),
    refused(
        "S16",
        "signatures of nothing",
        [signed_as(text, key) for key in (RSA.key_id, EC.key_id)
         for text in (b"\0", b"\0" * 256, b"\1" * 64)],
        scene=BOTH,
    ),
    refused(
        "S16",
        "ECDSA with r = s = 0, and in a second spelling",
        [signed_as(b"\x30\x06\x02\x01\0\x02\x01\0"), signed_as(LONG_DER), signed_as(ECDSA + b"\0")],
        scene=BOTH,
    ),
    refused("S16", "the signature in another spelling", respelled(GOOD)),
    refused(
        "S24",
        "a large policy",
        [custom(RSA.policy(f"{URL}?{'x' * 5_000}", END))],
    ),
    story(
        "S24",
        "a policy of 64 KiB",
        Step(asks(target(f"{URL}?Policy={'A' * 65_536}")), status=(414, 494), reaches=0),
        Step(
            asks(PATH.encode(), b"Cookie: CloudFront-Policy=" + b"A" * 65_536),
            status=(431, 494),
            reaches=0,
        ),
    ),
]  # fmt: skip
JUDGED = [
    story(
        "S06",
        "until a moment, and not at it",
        opens(in_url(RSA, URL, NOW + 10)),
        opens(in_url(RSA, URL, NOW + 10), later_s=9),
        shut(in_url(RSA, URL, NOW + 10), later_s=1),
        shut(in_url(RSA, URL, NOW + 10), later_s=1),
    ),
    story(
        "S06",
        "from after a moment, and not at it",
        shut(custom(RSA.policy(URL, END, after=NOW + 2)), later_s=1),
        shut(custom(RSA.policy(URL, END, after=NOW + 2)), later_s=1),
        opens(custom(RSA.policy(URL, END, after=NOW + 2)), later_s=1),
    ),
    story(
        "S08", "resources of other hosts and schemes", *(shut(resource(r, URL)) for r in STRANGE)
    ),
    story(
        "S08",
        "a wildcard stays in its section",
        opens(resource("http://site.test/private/?", URL)),
        shut(resource("http://site.test/private/?", f"{URL}b")),
        shut(resource("http://*/a", URL.replace("/private/a", "/private/b"))),
        shut(resource("http://site.test/*a", f"{URL[:-1]}b?a")),
        shut(resource("http://site.test/private/a", f"{URL}?x=1")),
        opens(resource("http://site.test/private/*", f"{URL}?x=1")),
    ),
    story(
        "S10",
        "dot segments out of a wildcard",
        *(
            ambiguous(resource("http://site.test/private/x/*", URL.replace("/a", f"/x/{path}")))
            for path in ("../b", "..%2Fb", "%2e%2e/b", "y/.%2E/../b", "y%5C..%5C..%5Cb",
                         "..;/b", "..;a=b/b", "%252e%252e/b", "..%00/b", "%c0%ae%c0%ae/b")
        ),
    ),
    story(
        "S10",
        "a private path in other words, unsigned",
        opens(GOOD),
        *(
            shut(URL.replace("/private/a", path))
            for path in ("/private%2Fa", "/%70rivate/a", "/private%252Fa", "//private//a",
                         "/private;x/a", "/private%5Ca", "/private%C0%AFa")
        ),
        *(
            ambiguous(URL.replace("/private/a", path))
            for path in ("/p/..%2Fprivate/a", "/p/..%5cprivate/a", "/p/..;/private/a",
                         "/p/..;a=b/private/a", "/p/..%252fprivate/a", "/p/..%00/private/a",
                         "/p/./private/a", "/p/%c0%ae%c0%ae/private/a")
        ),
    ),
    story(
        "S13",
        "the peer's address counts, and nobody's word",
        shut(ELSEWHERE),
        shut(ELSEWHERE, b"X-Forwarded-For: 198.51.100.1"),
        shut(ELSEWHERE, b"Forwarded: for=198.51.100.1"),
        shut(custom(RSA.policy(URL, END, address="::ffff:0:0/96"))),
        opens(custom(RSA.policy(URL, END, address="192.0.2.0/24"))),
        opens(custom(RSA.policy(URL, END, address="0.0.0.0/0"))),
    ),
    story("S14", "a key of another group", shut(in_url(EC, URL, END)), shut(in_url(EC, URL, END))),
    story(
        "S14",
        "a key that was taken away",
        opens(GOOD, reaches=1),
        opens(GOOD, reaches=0),
        finally_=_key_taken_away,
    ),
    story(
        "S18",
        "the URL decides, whatever cookies say",
        opens(GOOD, b"Cookie: CloudFront-Expires=1; CloudFront-Signature=x"),
        shut(f"{URL}?Expires={END}", b"Cookie: " + in_cookies(RSA, URL, END).encode()),
        shut(f"{URL}?Signature=x", b"Cookie: " + in_cookies(RSA, URL, END).encode()),
        opens(URL, b"Cookie: " + in_cookies(RSA, URL, END).encode()),
    ),
    story(
        "S20",
        "two signatures, one object; none, and there is nothing",
        opens(in_url(RSA, URL, END), reaches=1),
        opens(in_url(EC, URL, END), reaches=0),
        opens(URL, b"Cookie: " + in_cookies(EC, URL, END).encode(), reaches=0),
        shut(URL),
        scene=BOTH,
    ),
    story(
        "S21",
        "HEAD, Range and conditions with a signature that ended, on a hit",
        opens(in_url(RSA, URL, NOW + 10), reaches=1),
        *(
            shut(in_url(RSA, URL, NOW + 5), *lines, method=method, later_s=later)
            for later, method, lines in (
                (6, b"GET", ()), (0, b"HEAD", ()), (0, b"GET", (b"Range: bytes=0-1",)),
                (0, b"GET", (b"If-None-Match: *",)), (0, b"OPTIONS", ()), (0, b"POST", ()),
            )
        ),
    ),
    story(
        "S23",
        "a refusal is nobody's object",
        shut(URL),
        opens(in_url(RSA, URL, END), reaches=1),
        shut(URL),
        opens(in_url(RSA, URL, END), reaches=0),
    ),
]  # fmt: skip
SIGNED = [*TAMPERED, *JUDGED]
