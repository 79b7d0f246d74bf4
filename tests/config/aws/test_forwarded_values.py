"""What ForwardedValues stands for (API reference, ForwardedValues)."""

from __future__ import annotations

import pytest

from edgecache.config.aws.forwarded_values import REMOVED, legacy_policies
from edgecache.config.model import ForwardedValues, HeaderSelection, Selection
from edgecache.rules.caching.key import chosen_cookies
from tests.rules.pieces import asks

ALL = Selection(behavior="all")
NONE = Selection()


@pytest.mark.parametrize(
    ("values", "keyed", "sent"),
    [
        (ForwardedValues(), NONE, NONE),
        (ForwardedValues(query_string=True), ALL, ALL),
        (
            ForwardedValues(query_string=True, query_string_cache_keys=("a",)),
            Selection(behavior="whitelist", items=("a",)),
            ALL,
        ),
    ],
)
def test_listed_queries_are_keyed_and_all_are_sent(
    values: ForwardedValues, keyed: Selection, sent: Selection
) -> None:
    cache, request = legacy_policies(values)
    assert (cache.query_strings, request.query_strings) == (keyed, sent)


@pytest.mark.parametrize(
    ("values", "cookies"),
    [
        (ForwardedValues(), NONE),
        (ForwardedValues(cookies="all"), ALL),
        (
            ForwardedValues(cookies="whitelist", cookie_names=("a", "b")),
            Selection(behavior="whitelist", items=("a", "b")),
        ),
        (
            ForwardedValues(cookies="whitelist", cookie_names=("a*",)),
            Selection(behavior="whitelist", items=("a*",), wildcards=True),
        ),
    ],
)
def test_cookies(values: ForwardedValues, cookies: Selection) -> None:
    assert legacy_policies(values)[0].cookies == cookies


def test_most_headers_are_sent_and_the_listed_are_keyed() -> None:
    cache, request = legacy_policies(ForwardedValues(headers=("Origin",), ttl_s_max=100_000))
    assert cache.headers == HeaderSelection(behavior="whitelist", items=("Origin",))
    assert request.headers == HeaderSelection(behavior="allExcept", items=REMOVED)
    assert (cache.ttl_s_min, cache.ttl_s_default, cache.ttl_s_max) == (0, 86_400, 100_000)
    assert cache.accept_encoding_gzip


def test_every_header_means_no_caching() -> None:
    cache, request = legacy_policies(ForwardedValues(headers=("*",), ttl_s_min=5))
    assert (cache.ttl_s_min, cache.ttl_s_default, cache.ttl_s_max) == (0, 0, 0)
    assert request.headers == HeaderSelection(behavior="allViewer")
    assert cache.headers == HeaderSelection()


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("session",), ["session"]),
        (("s*",), ["session", "s"]),
        (("s?*",), ["session"]),
        (("*_id", "ses?ion"), ["session", "user_id"]),
        (("S*",), []),
    ],
)
def test_cookie_names_may_hold_stars_and_question_marks(
    names: tuple[str, ...], chosen: list[str]
) -> None:
    cookies = legacy_policies(ForwardedValues(cookies="whitelist", cookie_names=names))[0].cookies
    request = asks("/", "cookie: session=1; user_id=2; s=3; $s=4")
    assert [name.decode() for name, _ in chosen_cookies(request, cookies)] == chosen
