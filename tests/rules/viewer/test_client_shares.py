"""What counts as one client."""

from __future__ import annotations

import pytest

from edgecache.rules.viewer.client_shares import ClientShares, client_network

NETWORKS = [
    ("192.0.2.1", "192.0.2.1"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ("2001:db8:1:2::", "2001:db8:1:2::/64"),
    ("2001:db8:1:3::", "2001:db8:1:3::/64"),  # another customer's
    ("::ffff:192.0.2.1", "192.0.2.1"),  # RFC 4291 §2.5.5.2, as a socket of both families has it
    ("::1", "::/64"),
    ("fe80::1%eth0", "fe80::/64"),
    ("", ""),  # over a socket file
    ("not:an:address", "not:an:address"),
]


@pytest.mark.parametrize(("address", "network"), NETWORKS)
def test_a_client_is_an_address_or_its_64(address: str, network: str) -> None:
    assert client_network(address) == network


def test_each_client_has_as_many_as_it_may() -> None:
    shares = ClientShares()
    assert [shares.take("a", 2) for _ in range(3)] == [True, True, False]
    assert (shares.has_room("a", 2), shares.has_room("b", 2)) == (False, True)
    shares.give_back("a")
    assert shares.take("a", 2)
    assert (shares.total, len(shares)) == (2, 1)


def test_who_asks_for_many_has_no_share() -> None:
    shares = ClientShares()
    assert all(shares.take("", 1) for _ in range(5))
    for _ in range(5):
        shares.give_back("")
    assert (shares.total, len(shares)) == (0, 0)
