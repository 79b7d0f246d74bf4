"""The register: what it lets pass, and what it calls wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.adversary.actions import Ask, SiteName
from tests.adversary.readings import is_private, plainest
from tests.adversary.register import Floor, OriginAnswer, Question, Register, Reply, body_of

PAGE = "/e1e/a"
NOBODY: Mapping[str, str | None] = {"authorization": None, "cookie": None}


def known(
    register: Register, cache: str = "max-age=600", site: SiteName = "serve",
    credentials: Mapping[str, str | None] = NOBODY, target: str = PAGE, asked_by: str = "first",
) -> OriginAnswer:  # fmt: skip
    answer = OriginAnswer(
        nonce=register.next_nonce(), site=site, target=target, credentials=credentials,
        asked_by=asked_by, cache=cache, vary="", status=200, size=40, began=10.0, at=10.0,
        private=is_private(target),
    )  # fmt: skip
    register.answered(answer)
    return answer


def seen(
    register: Register, answer: OriginAnswer, began: float = 11.0, body: bytes | None = None,
    opens: bool = False, target: str = PAGE, floors: tuple[Floor, ...] = (), id: str = "second",
) -> list[str]:  # fmt: skip
    """What is wrong with a viewer's getting it."""
    asked = Question(Ask(site=answer.site), 1, target, {}, began, opens, id)
    asked.floor = list(floors)
    reply = Reply(200, [("x-nonce", answer.nonce.encode())], whole=True, ended=began + 0.1)
    reply.body = body_of(answer.nonce, 40) if body is None else body
    return list(register.judge(asked, reply))


def test_what_is_fresh_and_for_all_may_be_shared() -> None:
    register = Register()
    assert not seen(register, known(register))
    assert seen(register, known(register, "max-age=1"), began=20.0)
    assert seen(register, known(register, "no-store"))
    assert seen(register, known(register, "private, max-age=600"))


def test_what_was_fetched_for_oneself_may_be_had_whatever_it_says() -> None:
    register = Register()
    answer = known(register, "no-store", asked_by="second")
    assert not seen(register, answer, began=9.0)


def test_an_error_to_a_range_is_for_who_asks_for_one() -> None:
    register = Register()
    error = known(register)
    error.ranged, error.status = True, 416
    assert "the Range of another" in seen(register, error)[0]
    error.status = 200
    assert not seen(register, error)


def test_who_asks_for_all_of_it_gets_no_part() -> None:
    register = Register()
    answer = known(register)
    asked = Question(Ask(site="serve"), 1, PAGE, {}, 11.0, id="second")
    fields = [("x-nonce", answer.nonce.encode()), ("content-range", b"bytes 0-9/40")]
    reply = Reply(206, fields, body_of(answer.nonce, 40)[:10], whole=True, ended=11.1)
    assert "a part" in "".join(register.judge(asked, reply))


def test_what_a_credential_opened_is_for_nobody_else() -> None:
    register = Register()
    secret = known(register, credentials={"authorization": "a", "cookie": None})
    assert "for others alone" in seen(register, secret)[0]


def test_a_body_that_is_not_all_of_it_is_wrong() -> None:
    register = Register()
    answer = known(register)
    assert "20 bytes for whole" in seen(register, answer, body=body_of(answer.nonce, 20))[0]


def test_what_is_private_needs_a_signature() -> None:
    register = Register()
    target = "/private/e1e/a"
    answer = known(register, site="rfc", target=target)
    assert "private" in seen(register, answer, target=target)[0]
    assert not seen(register, answer, target=target, opens=True)


def test_nothing_from_before_an_invalidation_is_seen_after_completed() -> None:
    register = Register()
    answer = known(register)
    floor = Floor(10.5, "serve", re.compile("/e1e/.*"), frozenset(), "an invalidation")
    other = Floor(10.5, "serve", re.compile("/e2e/.*"), frozenset(), "an invalidation")
    assert "older than an invalidation" in seen(register, answer, floors=(floor,))[0]
    assert not seen(register, answer, floors=(other,))


def test_another_page_and_another_viewers_word_are_wrong() -> None:
    register = Register()
    answer = known(register)
    assert "another page" in seen(register, answer, target="/e1e/b")[0]
    assert seen(register, answer, body=b"evil-7-x")


def test_the_most_careless_reading_of_a_path() -> None:
    for path in (
        "/public/../private/a", "/public/%2e%2e/private/a", "/private;x/a", "//private/a",
        "/public%5c..%5cprivate/a", "/x/%252e%252e/private/a", "/private/./a",
    ):  # fmt: skip
        assert is_private(path), path
    assert not is_private("/public/private/a")
    assert plainest("/a?x=1&Signature=s&Key-Pair-Id=k") == "/a?x=1"


def test_a_304_to_a_viewers_own_condition_is_the_origins_word() -> None:
    register = Register()
    old, floor = known(register), Floor(10.5, "serve", re.compile("/e1e/.*"), frozenset(), "one")
    said = known(register, asked_by="second")
    said.began, said.confirms = 12.0, old.nonce
    asked = Question(Ask(), 1, PAGE, {}, 11.0, id="second", floor=[floor])
    reply = Reply(304, [("etag", f'"{old.nonce}"'.encode())], whole=True, ended=13.0)
    assert not list(register.judge(asked, reply))
    reply.status, reply.body = 200, body_of(old.nonce, 40)
    assert "older than one" in next(register.judge(asked, reply))
