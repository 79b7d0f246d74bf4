"""Log-in from a browser, and what another page, a stranger or a read-only key cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache.control.cloudfront.authentication import AccessKey
from edgecache.control.dashboard.session_handlers import COOKIE, PRIVATE, SECURE_COOKIE
from tests.control.dashboard.browser import Browsed, Browser
from tests.control.rest.test_app import told

SERIES = "/dashboard/series"
DRAIN = "/nodes/edge-a-1/drain"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Browsed]:
    made = Browsed(tmp_path)
    made.hear("POST", "/nodes/edge-a-1", told(), "edge-a-1")
    yield made
    made.state.close()


def in_session(place: Browsed, key: AccessKey | None = None) -> Browser:
    browser = Browser(place)
    assert browser.logs_in(key or place.own_key()).status_code == 201
    return browser


def test_an_operator_logs_in_sees_acts_and_logs_out(place: Browsed) -> None:
    browser = Browser(place)
    assert browser.asks("GET", SERIES).status_code == 401
    assert browser.asks("GET", "/session").status_code == 401
    answer = browser.logs_in(place.own_key())
    assert (answer.status_code, answer.json()["name"]) == (201, "k1")
    assert answer.json()["may"] == ["invalidate", "release", "drain", "reload"]
    assert PRIVATE.items() <= dict(answer.headers).items()
    flags = answer.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=28800"} <= {*flags}
    assert "Secure" not in flags
    assert browser.asks("GET", "/session").json() == answer.json()
    assert browser.asks("GET", SERIES).status_code == 200
    assert browser.asks("POST", DRAIN).status_code == 200
    assert browser.asks("DELETE", "/session").status_code == 200
    assert COOKIE not in browser.cookies
    assert browser.asks("GET", SERIES).status_code == 401


def test_a_cookie_is_of_no_use_after_the_log_out(place: Browsed) -> None:
    browser = in_session(place)
    stolen = browser.cookies[COOKIE]
    browser.asks("DELETE", "/session")
    browser.cookies.set(COOKIE, stolen)
    assert browser.asks("GET", SERIES).status_code == 401


def test_over_tls_the_cookie_is_this_hosts_alone(place: Browsed) -> None:
    browser = Browser(place, "https://127.0.0.1:8090")
    answer = browser.logs_in(place.own_key())
    assert answer.headers["set-cookie"].startswith(f"{SECURE_COOKIE}=")
    assert "Secure" in answer.headers["set-cookie"].split("; ")
    assert browser.asks("GET", SERIES).status_code == 200
    plain = Browser(place, "https://127.0.0.1:8090")
    plain.cookies.set(COOKIE, browser.cookies[SECURE_COOKIE])
    assert plain.asks("GET", SERIES).status_code == 401


def test_a_token_logs_in_for_what_is_left_of_its_hour(place: Browsed) -> None:
    browser = Browser(place)
    token = place.tokens.issue("me")
    place.now += 3_000
    answer = browser.asks("POST", "/session", {"token": token})
    assert (answer.status_code, answer.json()["name"]) == (201, "me")
    place.now += 599
    assert browser.asks("GET", SERIES).status_code == 200
    place.now += 2
    assert browser.asks("GET", SERIES).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"token": ""},
        {"token": "me.x.y"},
        {"access_key_id": "EDGEnobody", "secret_access_key": "x" * 43},
        {"access_key_id": "", "secret_access_key": ""},
        {"access_key_id": "EDGEreader", "secret_access_key": ""},
        {"access_key_id": "EDGEreader", "secret_access_key": "secret of reade"},
        {"access_key_id": "EDGEreader", "secret_access_key": "secret of readerr"},
        {"access_key_id": "EDGEreader", "secret_access_key": "secret of Über"},
    ],
)
def test_who_proves_nothing_gets_one_answer(place: Browsed, body: dict[str, str]) -> None:
    place.key("reader", "read")
    answer = Browser(place).asks("POST", "/session", body)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert answer.json() == Browser(place).asks("POST", "/session", {"token": "x"}).json()


@pytest.mark.parametrize("body", [[], {"odd": 1}, {"token": 1}, {"token": "x" * 513}])
def test_what_cannot_be_read_is_refused(place: Browsed, body: object) -> None:
    assert Browser(place).asks("POST", "/session", body).status_code == 400


def test_attempts_are_bounded(place: Browsed) -> None:
    browser, key = Browser(place), place.own_key()
    place.peer = "198.51.100.7"
    statuses = [browser.asks("POST", "/session", {"token": "x"}).status_code for _ in range(22)]
    assert statuses == [401] * 20 + [429] * 2
    answer = browser.logs_in(key)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    place.peer = "203.0.113.9"
    assert Browser(place).logs_in(key).status_code == 201
    place.peer, place.now = "198.51.100.7", place.now + 1
    assert browser.logs_in(key).status_code == 201


def test_attempts_of_everybody_are_bounded(place: Browsed) -> None:
    statuses = []
    for number in range(62):
        place.peer = f"198.51.100.{number}"
        statuses.append(Browser(place).asks("POST", "/session", {"token": "x"}).status_code)
    assert statuses == [401] * 60 + [429] * 2


def test_a_read_only_key_sees_and_changes_nothing(place: Browsed) -> None:
    browser = in_session(place, place.key("reader", "read"))
    session = browser.asks("GET", "/session").json()
    assert (session["may_write"], session["may"]) == (False, [])
    for path in (SERIES, "/nodes"):
        assert browser.asks("GET", path).status_code == 200
    for method, path in (("POST", DRAIN), ("DELETE", DRAIN), ("POST", "/reload")):
        answer = browser.asks(method, path)
        assert answer.status_code == 403
        assert "AccessDenied" in answer.json()["error"]
    assert place.control.drained is not None
    assert not place.control.drained.named
    assert browser.asks("DELETE", "/session").status_code == 200


def test_a_key_sees_what_it_may(place: Browsed) -> None:
    purger = in_session(place, place.key("purger", "invalidate"))
    assert purger.asks("GET", "/session").json()["may"] == ["invalidate"]
    assert purger.asks("GET", SERIES).status_code == 403
    limited = Browser(place).logs_in(place.key("one", of=("E1",)))
    assert limited.status_code == 403
    assert "set-cookie" not in limited.headers


def test_a_deleted_key_ends_its_sessions(place: Browsed) -> None:
    key = place.key("leaver")
    browser, own = in_session(place, key), in_session(place)
    place.delete(key)
    assert browser.asks("GET", SERIES).status_code == 401
    assert browser.asks("POST", DRAIN).status_code == 401
    assert own.asks("GET", SERIES).status_code == 200
    place.delete(place.own_key())
    assert own.asks("GET", SERIES).status_code == 401


def test_limits_are_those_of_now(place: Browsed) -> None:
    browser = in_session(place, place.key("limited"))
    assert browser.asks("POST", DRAIN).status_code == 200
    place.made = ()
    place.key("limited", "read")
    assert browser.asks("GET", "/session").json()["may"] == []
    assert browser.asks("DELETE", DRAIN).status_code == 403


def test_a_change_wants_the_sessions_own_value(place: Browsed) -> None:
    browser, other = in_session(place), in_session(place)
    assert browser.csrf != other.csrf
    for csrf in ("", "x", other.csrf, browser.csrf[:-1]):
        answer = browser.asks("POST", DRAIN, headers={"x-csrf-token": csrf})
        assert answer.status_code == 403
        assert "x-csrf-token" in answer.json()["error"]
    assert browser.asks("DELETE", "/session", headers={"x-csrf-token": ""}).status_code == 403
    assert browser.asks("POST", DRAIN).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "odd"])
def test_a_page_of_another_origin_can_do_nothing(place: Browsed, site: str) -> None:
    browser = in_session(place)
    for method, path in (("GET", SERIES), ("GET", "/dashboard/live"), ("GET", "/session"),
                         ("POST", DRAIN), ("GET", "/nodes"), ("DELETE", "/session")):  # fmt: skip
        assert browser.asks(method, path, site=site).status_code == 403
    key = place.own_key()
    secrets = {"access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key}
    assert Browser(place).asks("POST", "/session", secrets, site=site).status_code == 403
    assert browser.asks("GET", SERIES).status_code == 200  # and the session goes on


@pytest.mark.parametrize("origin", ["http://evil.test", "http://127.0.0.1:8080", "null"])
def test_nor_where_a_browser_says_origin_alone(place: Browsed, origin: str) -> None:
    browser = in_session(place)
    for method, path in (("POST", DRAIN), ("GET", SERIES), ("OPTIONS", SERIES)):
        answer = browser.asks(method, path, headers={"origin": origin})
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]
    own = browser.asks("POST", DRAIN, headers={"origin": "http://127.0.0.1:8090"})
    assert own.status_code == 200


def test_a_form_cannot_log_in(place: Browsed) -> None:
    key = place.own_key()
    text = (
        f'{{"access_key_id":"{key.access_key_id}","secret_access_key":"{key.secret_access_key}"}}'
    )
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = Browser(place).asks("POST", "/session", text, {"content-type": content_type})
        assert answer.status_code == 415


def test_an_address_that_was_typed_shows_but_does_not_act(place: Browsed) -> None:
    browser = in_session(place)
    assert browser.asks("GET", "/nodes", site="none").status_code == 200
    assert browser.asks("POST", DRAIN, site="none").status_code == 403


def test_no_cookie_of_a_stranger_becomes_a_session(place: Browsed) -> None:
    browser = Browser(place)
    browser.cookies.set(COOKIE, "chosen-by-somebody", domain="127.0.0.1")
    browser.logs_in(place.own_key())
    first = browser.cookies[COOKIE]
    assert first != "chosen-by-somebody"
    browser.logs_in(place.own_key())  # with the cookie of the session before
    assert browser.cookies[COOKIE] != first


def test_other_ways_in_are_as_they_were(place: Browsed) -> None:
    """A token or a signature counts, whatever cookie is beside it; a bad cookie takes nothing."""
    browser = in_session(place, place.key("reader", "read"))
    assert browser.asks("POST", "/reload", headers=place.token()).status_code == 200
    stranger = Browser(place)
    stranger.cookies.set(COOKIE, "forged")
    assert stranger.asks("GET", "/health").status_code == 200  # a program of this machine may
    assert stranger.asks("POST", "/reload").status_code == 401
