"""Credentials as RFC 7617 has them, and what a file's users are checked against."""

from __future__ import annotations

from base64 import b64encode

import pytest

from edgecache.config.htpasswd import Htpasswd, cost, read_htpasswd
from edgecache.config.viewer_rules import BasicAuth
from edgecache.rules.viewer.basic_auth import (
    NOBODYS,
    BasicCredentials,
    compile_basic_auth,
    credentials,
    hash_to_check,
)
from edgecache.rules.viewer.password_hashes import matches

SHA1 = b"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="


def basic(text: str) -> bytes:
    return b"Basic " + b64encode(text.encode())


@pytest.mark.parametrize(
    ("value", "given"),
    [
        (basic("Aladdin:open sesame"), (b"Aladdin", b"open sesame")),  # RFC 7617 §2
        (b"basic   " + b64encode(b"a:b") + b"  ", (b"a", b"b")),
        (basic("a:b:c"), (b"a", b"b:c")),
        (basic("test:123£"), (b"test", "123£".encode())),  # §2.1
        (basic(":"), (b"", b"")),
        (basic("nocolon"), None),
        (basic("a:b\n"), None),
        (basic("a\0:b"), None),
        (b"Basic a:b", None),
        (b"Basic YTpi=", None),
        (b"Basic YTpi\xc0", None),
        (b"Basic", None),
        (b"", None),
        (b"Bearer YTpi", None),
        (basic("u:" + "p" * 600), None),
    ],
)
def test_credentials(value: bytes, given: tuple[bytes, bytes] | None) -> None:
    assert credentials(((b"authorization", value),)) == given


def test_two_answers_are_none() -> None:
    assert credentials(()) is None
    assert credentials(((b"authorization", basic("a:b")),) * 2) is None


def test_who_is_not_there_costs_as_much_as_who_is() -> None:
    dear = b"$2y$12$I6zJYgBA/pppFTOyLCFNx.MGtlLN2NgFgoSFX5q4PTOYZFe/ZNo02"
    file = read_htpasswd(f"a:{SHA1.decode()}\nb:{dear.decode()}\n")
    assert hash_to_check(file, BasicCredentials(b"a", b"")) == (SHA1, True)
    assert hash_to_check(file, BasicCredentials(b"x", b"")) == (dear, False)
    assert hash_to_check(Htpasswd({}), BasicCredentials(b"x", b"")) == (NOBODYS, False)
    assert cost(NOBODYS) > 0
    assert not matches(b"x", NOBODYS)


def test_a_rule_of_a_file_that_was_not_read_has_no_users() -> None:
    rule = BasicAuth(file="/staff", realm="Staff only")
    compiled = compile_basic_auth(rule, {})
    assert compiled is not None
    assert compiled.users is None
    assert compiled.challenge == b'Basic realm="Staff only", charset="UTF-8"'
    assert compile_basic_auth(None, {}) is None
