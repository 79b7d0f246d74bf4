"""Join tokens open once; a machine that is revoked stays so with every certificate it got."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from edgecache.cluster.certificates import NodeIdentity
from edgecache.control.nodes.authority import IssuedCertificate
from edgecache.control.state.certificates import IssuedCertificates, TokenRefusedError
from edgecache.control.state.database import StateDatabase
from tests.control.conftest import Opener


class Rows:
    """The rows of a new state, and a clock that is set."""

    def __init__(self, state: StateDatabase) -> None:
        self.now = 1_000.0
        self.certificates = IssuedCertificates(state, lambda: self.now)
        self._count = 0

    def issued(self, place: str, instance: str = "a1") -> IssuedCertificate:
        self._count += 1
        identity = NodeIdentity("0" * 16, place, instance)
        return IssuedCertificate("PEM", f"{self._count:x}", identity, (), self.now, self.now + 90)


@pytest.fixture
def rows(opened: Opener) -> Iterator[Rows]:
    with closing(opened()) as state:
        yield Rows(state)


def test_a_token_opens_once_and_for_its_place(rows: Rows) -> None:
    rows.certificates.add_token("digest", "edge-A", 60)
    issued = rows.certificates.redeem("digest", rows.issued)
    assert issued.identity.place == "edge-A"
    with pytest.raises(TokenRefusedError, match="used already"):
        rows.certificates.redeem("digest", rows.issued)
    assert [one.node for one in rows.certificates.listing()] == ["edge-A/a1"]


def test_a_token_that_ended_or_is_strange_opens_nothing(rows: Rows) -> None:
    rows.certificates.add_token("digest", "edge-A", 60)
    with pytest.raises(TokenRefusedError, match="not one of this installation"):
        rows.certificates.redeem("other", rows.issued)
    rows.now += 61
    with pytest.raises(TokenRefusedError, match="has ended"):
        rows.certificates.redeem("digest", rows.issued)


def test_a_request_that_fails_leaves_the_token(rows: Rows) -> None:
    rows.certificates.add_token("digest", "edge-A", 60)

    def fails(_place: str) -> IssuedCertificate:
        raise ValueError("no request")

    with pytest.raises(ValueError, match="no request"):
        rows.certificates.redeem("digest", fails)
    assert rows.certificates.redeem("digest", rows.issued).identity.place == "edge-A"


@pytest.mark.parametrize(
    ("named", "gone"),
    [
        ("edge-A/a1", ("edge-A/a1",)),
        ("edge-A", ("edge-A/a1", "edge-A/a2")),
        ("edge-B", ()),
        ("edge-A/", ("edge-A/a1", "edge-A/a2")),
        ("control", ()),  # its own machine's
        ("edge-A/local", ()),
    ],
)
def test_a_machine_is_revoked_with_all_it_got(
    rows: Rows, named: str, gone: tuple[str, ...]
) -> None:
    for place, instance in (
        ("edge-A", "a1"), ("edge-A", "a1"), ("edge-A", "a2"), ("edge-A", "local"),
        ("control", "local"),
    ):  # fmt: skip
        rows.certificates.add(rows.issued(place, instance))
    assert rows.certificates.revoke(named) == gone
    assert rows.certificates.revoked() == gone
    assert rows.certificates.revoke(named) == ()
    states = {one.node: one.revoked_at is not None for one in rows.certificates.listing()}
    assert {node for node, revoked in states.items() if revoked} == {*gone}
