"""Connection ids: whose they are, and that nobody else can make one."""

from __future__ import annotations

import os

import pytest

from edgecache.server.http3.connection_ids import ID_BYTES, OWNER_MAX, ConnectionIds

IDS = ConnectionIds(b"secret", 4_194_304, os.urandom)
OTHER = ConnectionIds(b"secret", 7, os.urandom)


def test_each_process_of_a_location_knows_whose_an_id_is() -> None:
    for ids in (IDS, OTHER):
        issued = [ids.issue() for _ in range(100)]
        assert len(set(issued)) == 100
        assert {len(one) for one in issued} == {ID_BYTES}
        assert {OTHER.owner_of(one) for one in issued} == {ids.owner}


def test_nobody_else_makes_one() -> None:
    issued = IDS.issue()
    for at in range(ID_BYTES):
        changed = issued[:at] + bytes((issued[at] ^ 1,)) + issued[at + 1 :]
        assert IDS.owner_of(changed) is None
    for wrong in (b"", issued[:-1], issued + b"x", bytes(ID_BYTES)):
        assert IDS.owner_of(wrong) is None
    assert ConnectionIds(b"another", 7, os.urandom).owner_of(issued) is None


def test_the_process_is_not_to_be_seen_in_an_id() -> None:
    """RFC 9000 §5.1: two ids of a connection have nothing in common."""
    columns = list(zip(*[IDS.issue() for _ in range(200)], strict=True))
    assert all(len(set(column)) > 60 for column in columns)


def test_a_reset_token_follows_from_its_id() -> None:
    issued = IDS.issue()
    assert IDS.reset_token(issued) == OTHER.reset_token(issued)
    assert IDS.reset_token(issued) != IDS.reset_token(IDS.issue())
    assert IDS.reset_token(issued)[:8] not in issued


def test_a_number_that_has_no_room() -> None:
    with pytest.raises(ValueError, match="above"):
        ConnectionIds(b"secret", OWNER_MAX + 1, os.urandom)
