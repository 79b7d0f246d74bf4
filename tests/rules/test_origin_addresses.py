"""Which addresses an origin may have, by what they are and however they are written."""

from __future__ import annotations

import pytest

from edgecache.config.listen import Address, TcpAddress, UnixAddress
from edgecache.rules.origin_addresses import Listeners, address_trouble

LINK_LOCAL = ("169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "febf::1",
              "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe")  # fmt: skip
LOOPBACK = ("127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1",
            "2002:7f00:1::")  # fmt: skip
PRIVATE = ("10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd12::1",
           "fc00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "192.0.0.192", "198.19.0.1",
           "240.0.0.1", "255.255.255.255", "64:ff9b:1::a9fe:a9fe")  # fmt: skip
PUBLIC = ("192.0.2.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "169.253.1.1", "2001:db8::1",
          "192.0.1.1", "198.20.0.1", "64:ff9b::808:808")  # fmt: skip


@pytest.mark.parametrize(
    ("addresses", "trouble", "private"),
    [
        (LINK_LOCAL, "a link-local address", "a link-local address"),
        (LOOPBACK, "a loopback address", ""),
        (PRIVATE, "a private address", ""),
        (PUBLIC, "", ""),
    ],
)
def test_what_may_be_asked(addresses: tuple[str, ...], trouble: str, private: str) -> None:
    for address in addresses:
        assert address_trouble(address, "public") == trouble, address
        assert address_trouble(address, "private") == private, address
        assert address_trouble(address, "own") == ""


def test_a_name_is_no_address() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        address_trouble("origin.test", "private")


@pytest.mark.parametrize(
    ("listens", "address", "own"),
    [
        (TcpAddress("127.0.0.1", 8090), "127.0.0.1", True),
        (TcpAddress("127.0.0.1", 8090), "::ffff:127.0.0.1", True),
        (TcpAddress("127.0.0.1", 8090), "0.0.0.0", True),
        (TcpAddress("localhost", 8090), "127.0.0.1", True),
        (TcpAddress("127.0.0.1", 8091), "127.0.0.1", False),
        (TcpAddress("198.51.100.7", 8090), "127.0.0.1", False),  # the application beside us
        (TcpAddress("198.51.100.7", 8090), "198.51.100.7", True),
        (TcpAddress("0.0.0.0", 8090), "127.0.0.1", True),
        (TcpAddress("0.0.0.0", 8090), "127.9.9.9", True),
        (TcpAddress("::", 8090), "::1", True),
        (TcpAddress("0.0.0.0", 8090), "192.0.2.9", True),  # one of this machine's
        (TcpAddress("0.0.0.0", 8090), "192.0.2.8", False),
        (TcpAddress("cdn.example", 8090), "192.0.2.9", True),  # it may be this one
        (UnixAddress("/run/regional.sock"), "127.0.0.1", False),
    ],
)
def test_our_own_addresses(listens: Address, address: str, own: bool) -> None:
    listeners = Listeners([listens], lambda given: given == "192.0.2.9")
    assert listeners.has(address, 8090) is own
