"""Functions in front of a real cache with its real key: what AWS's public samples are for."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable

import pytest

from edgecache.cache.frontend import FrontendEnvironment
from edgecache.config.model import (
    CachePolicy,
    HeaderSelection,
)
from edgecache.functions.interface import KeyValueReader
from edgecache.rules.viewer.geo import GeoPlace
from edgecache.store.key_values import KeyValueMeta
from tests.world.functions import associated
from tests.world.play import Play

Stage = Callable[..., Play]
TIERS = pytest.mark.parametrize("regional", [False, True], ids=["one-tier", "two-tiers"])
IDENTITY = "function handler(event) { return event.response || event.request; }"


SINGLE_PAGE = """
function handler(event) {
    const request = event.request;
    const last = request.uri.split('/').pop();
    if (last === '') request.uri += 'index.html';
    else if (!last.includes('.')) request.uri += '/index.html';
    return request;
}
"""


@TIERS
def test_a_single_page_site_has_one_object_for_the_paths_of_its_pages(
    stage: Stage, regional: bool
) -> None:
    play = stage(**associated(SINGLE_PAGE), regional=regional)
    play.viewer().asks("/shop")
    play.origin.hears("/shop/index.html")
    play.origin.answers(200, "page", cache="max-age=60")
    play.viewer().gets(200, "page", x_cache="Miss")
    for path in ("/shop", "/shop/", "/shop/index.html"):
        for _ in range(2):
            play.viewer().asks(path).gets(200, "page", x_cache="Hit")
    play.origin.hears_nothing()
    play.operator.invalidates("/shop/index.html")
    play.viewer().asks("/shop")
    play.origin.hears("/shop/index.html")
    play.origin.answers(200, "new", cache="max-age=60")
    play.viewer().gets(200, "new", x_cache="Miss")


BY_COUNTRY = """
function handler(event) {
    const country = event.request.headers['cloudfront-viewer-country'];
    if (country && country.value === 'DE' && !event.request.uri.startsWith('/de/'))
        return { statusCode: 302, statusDescription: 'Found',
                 headers: { location: { value: '/de' + event.request.uri } } };
    return event.request;
}
"""


@TIERS
def test_viewers_of_a_country_are_sent_to_their_pages(stage: Stage, regional: bool) -> None:
    policy = CachePolicy(
        headers=HeaderSelection(behavior="whitelist", items=("CloudFront-Viewer-Country",))
    )
    here = {"192.0.2.1": "DE", "192.0.2.2": "FR"}
    places = FrontendEnvironment(place_of=lambda address: GeoPlace(country=here[address]))
    play = stage(**associated(BY_COUNTRY), policy=policy, world=places, regional=regional)
    for _ in range(2):
        got = play.viewer("german").asks("/a").gets(302, "")
        assert got.field("location") == "/de/a"
        assert got.field("x-cache") == "FunctionGeneratedResponse from cloudfront"
    play.origin.hears_nothing()
    play.address = "192.0.2.2"
    play.viewer("french").asks("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer("french").gets(200, "one")
    for _ in range(2):
        play.viewer("french").asks("/a").gets(200, "one", x_cache="Hit")
        play.viewer("german").asks("/a").gets(302)


SECURITY_HEADERS = """
function handler(event) {
    const headers = event.response.headers;
    headers['strict-transport-security'] = { value: 'max-age=63072000' };
    headers['x-frame-options'] = { value: 'DENY' };
    delete headers['x-powered-by'];
    return event.response;
}
"""


@TIERS
def test_security_headers_are_in_hits_and_misses_and_in_nothing_stored(
    stage: Stage, regional: bool
) -> None:
    play = stage(**associated(response=SECURITY_HEADERS), regional=regional)
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=60", x_powered_by="php")
    answers = [play.viewer().gets(200, "one", x_cache="Miss")]
    for _ in range(3):
        answers.append(play.viewer().asks("/a").gets(200, "one", x_cache="Hit"))
    answers.append(play.viewer().asks("/a", range="bytes=1-1").gets(206, "n", x_cache="Hit"))
    answers.append(play.viewer().asks("/a", "HEAD").gets(200, "", x_cache="Hit"))
    for got in answers:
        assert got.field("x-frame-options") == "DENY"
        assert got.field("x-powered-by") is None
    assert len({got.field("x-amz-cf-id") for got in answers}) == len(answers)
    (entry,) = play.edge.store
    assert b"x-frame-options" not in dict(entry.head.fields)


TOKENS = """
const crypto = require('crypto');
function handler(event) {
    const refused = { statusCode: 401, statusDescription: 'Unauthorized' };
    const given = event.request.querystring.jwt;
    if (!given) return refused;
    const parts = given.value.split('.');
    if (parts.length !== 3) return refused;
    const wanted = crypto.createHmac('sha256', 'LzdWGpAToQ1DqYuzHxE6YOqi7G3X2yvNBot9mCXfx5k')
        .update(parts[0] + '.' + parts[1]).digest('base64url');
    if (wanted !== parts[2]) return refused;
    const payload = JSON.parse(Buffer.from(parts[1], 'base64url').toString());
    if (payload.exp && Date.now() > payload.exp * 1000) return refused;
    delete event.request.querystring.jwt;
    return event.request;
}
"""


def token(until: float) -> str:
    parts = [b'{"alg":"HS256","typ":"JWT"}', b'{"exp":%d}' % until]
    text = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    key = b"LzdWGpAToQ1DqYuzHxE6YOqi7G3X2yvNBot9mCXfx5k"
    proof = hmac.digest(key, text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(proof).decode().rstrip('=')}"


@TIERS
def test_who_has_a_token_shares_the_object_with_others_who_have(
    stage: Stage, regional: bool
) -> None:
    play = stage(**associated(TOKENS), regional=regional)
    for target in ("/a", "/a?jwt=x", f"/a?jwt={token(play.clock.now + 60)}x"):
        got = play.viewer().asks(target).gets(401)
        assert got.field("x-cache") == "FunctionGeneratedResponse from cloudfront"
    good = token(play.clock.now + 60)
    play.viewer().asks(f"/a?jwt={good}")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=600")
    play.viewer().gets(200, "one")
    play.viewer().asks(f"/a?jwt={token(play.clock.now + 30)}").gets(200, "one", x_cache="Hit")
    play.viewer().asks("/a").gets(401)
    play.advance(61)
    play.viewer().asks(f"/a?jwt={good}").gets(401)


GROUPS = """
function handler(event) {
    const request = event.request;
    let group = request.cookies.group && request.cookies.group.value;
    if (group !== 'a' && group !== 'b') group = Math.random() < 0.5 ? 'a' : 'b';
    request.headers['x-group'] = { value: group };
    return request;
}
"""
GROUP_COOKIE = """
function handler(event) {
    if (!event.request.cookies.group)
        event.response.cookies.group = {
            value: event.request.headers['x-group'].value, attributes: 'Path=/; Secure' };
    return event.response;
}
"""


@TIERS
def test_a_viewer_stays_in_its_group(stage: Stage, regional: bool) -> None:
    policy = CachePolicy(headers=HeaderSelection(behavior="whitelist", items=("x-group",)))
    play = stage(**associated(GROUPS, GROUP_COOKIE), policy=policy, regional=regional)
    for group in "ab":
        play.viewer().asks("/a", cookie=f"group={group}")
        play.origin.hears("/a", x_group=group)
        play.origin.answers(200, group, cache="max-age=60")
        assert play.viewer().gets(200, group).field("set-cookie") is None
    for group in "abba":
        play.viewer().asks("/a", cookie=f"group={group}").gets(200, group, x_cache="Hit")
    groups = set()
    for _ in range(16):
        play.clock.now += 0.001
        got = play.viewer().asks("/a").gets(200, x_cache="Hit")
        group = got.body.decode()
        assert got.field("set-cookie") == f"group={group}; Path=/; Secure"
        groups.add(group)
    assert groups == {"a", "b"}


REDIRECTS = """
import cf from 'cloudfront';
const kvs = cf.kvs();
async function handler(event) {
    try {
        const to = await kvs.get(event.request.uri);
        cf.logCustomData('to ' + to);
        return { statusCode: 301, headers: { location: { value: to } } };
    } catch (error) {
        return event.request;
    }
}
"""


class Redirects:
    """A key value store."""

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values

    def get(self, key: str) -> str | None:
        return self.values.get(key)

    def exists(self, key: str) -> bool:
        return key in self.values

    def meta(self) -> KeyValueMeta:
        return KeyValueMeta(0.0, 86_400.5, len(self.values))


@TIERS
def test_redirects_stand_in_a_key_value_store(stage: Stage, regional: bool) -> None:
    values = {"/old": "/new"}
    stores: dict[str, KeyValueReader] = {"redirects": Redirects(values)}
    scene = associated(REDIRECTS, key_value_stores=("redirects",), stores=stores.get)
    play = stage(**scene, regional=regional)
    assert play.viewer().asks("/old").gets(301).field("location") == "/new"
    play.viewer().asks("/new")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one")
    values["/new"] = "/newer"
    assert play.viewer().asks("/new").gets(301).field("location") == "/newer"
    del values["/new"]
    play.viewer().asks("/new").gets(200, "one", x_cache="Hit")


NORMALIZED = """
function handler(event) {
    const query = event.request.querystring, kept = [];
    for (const name of Object.keys(query).sort())
        if (!name.startsWith('utm_'))
            for (const one of query[name].multiValue || [query[name]])
                kept.push(name + '=' + one.value);
    event.request.querystring = kept.join('&');
    return event.request;
}
"""


@TIERS
def test_queries_that_mean_the_same_have_one_object(stage: Stage, regional: bool) -> None:
    play = stage(**associated(NORMALIZED), regional=regional)
    play.viewer().asks("/a?b=2&a=1&utm_source=x&b=3")
    play.origin.hears("/a?a=1&b=2&b=3")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one")
    for query in ("?a=1&b=2&b=3", "?b=2&a=1&b=3&utm_medium=y"):
        play.viewer().asks(f"/a{query}").gets(200, "one", x_cache="Hit")
    play.viewer().asks("/a?b=3&b=2&a=1")
    play.origin.hears("/a?a=1&b=3&b=2")
    play.origin.answers(200, "other", cache="max-age=60")
    play.viewer().gets(200, "other")
