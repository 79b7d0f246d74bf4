"""Access lists: the first rule by number decides, else the default; unknown sets let nobody in."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.config.access_lists import AccessList, AccessRule, IpSet
from edgecache.config.networks import AddressRanges, read_networks
from edgecache.rules.viewer.access_list import compile_access_list, compile_ip_sets


def rule(number: int, action: str, *sources: str) -> AccessRule:
    return AccessRule(number=number, action=action, sources=sources)  # type: ignore[arg-type]


OFFICE = AccessList(rules=(rule(100, "allow", "192.0.2.0/24", "2001:db8::/32"),))
EXCEPT = AccessList(
    default="allow",
    rules=(rule(200, "deny", "10.0.0.0/8"), rule(100, "allow", "10.1.0.0/16", "10.2.0.1")),
)
BLOCKED = AccessList(default="allow", rules=(rule(1, "deny", "set:bad"),))
EVERYBODY = AccessList(default="allow")
NOBODY = AccessList()


@pytest.mark.parametrize(
    ("access_list", "address", "admitted"),
    [
        (OFFICE, "192.0.2.0", True),
        (OFFICE, "192.0.2.255", True),
        (OFFICE, "192.0.3.0", False),
        (OFFICE, "192.0.1.255", False),
        (OFFICE, "::ffff:192.0.2.9", True),  # RFC 4291 §2.5.5.2
        (OFFICE, "2001:db8:ffff::1", True),
        (OFFICE, "2001:db9::", False),
        (EXCEPT, "10.1.2.3", True),  # rule 100 is asked before 200, wherever it stands
        (EXCEPT, "10.2.0.1", True),
        (EXCEPT, "10.2.0.2", False),
        (EXCEPT, "11.0.0.1", True),
        (BLOCKED, "203.0.113.5", False),
        (BLOCKED, "203.0.113.6", True),
        (EVERYBODY, "1.2.3.4", True),
        (NOBODY, "1.2.3.4", False),
        (EVERYBODY, "", False),  # of no address nothing is known
        (EVERYBODY, "unix:", False),
        (EVERYBODY, "1.2.3.4:80", False),
    ],
)
def test_the_first_rule_by_number_decides(
    access_list: AccessList, address: str, admitted: bool
) -> None:
    sets = {"bad": read_networks("203.0.113.5\n")}
    assert compile_access_list(access_list, sets).admits(address) is admitted


def test_a_list_with_an_unknown_set_lets_nobody_in() -> None:
    access_list = AccessList(
        default="allow", rules=(rule(1, "allow", "1.2.3.4"), rule(2, "deny", "set:bad"))
    )
    matcher = compile_access_list(access_list, {})
    assert matcher.unknown == ("bad",)
    assert not matcher.admits("1.2.3.4")
    assert not matcher.admits("5.6.7.8")


def test_sets_are_of_addresses_or_of_a_file_that_was_read() -> None:
    read = read_networks("10.0.0.0/8\n")
    sets = compile_ip_sets(
        (
            IpSet(name="listed", addresses=("192.0.2.7",)),
            IpSet(name="read", file="/etc/bad"),
            IpSet(name="unread", file="/etc/none"),
        ),
        {"/etc/bad": read},
    )
    assert set(sets) == {"listed", "read"}
    assert sets["read"] is read  # however many lists name it


numbers = st.integers(0, 2**32 - 1)
v4 = st.builds(
    lambda n, bits: str(ip_network((n, bits), strict=False)), numbers, st.integers(0, 32)
)
v6 = st.builds(
    lambda n, bits: str(ip_network((n << 96 | n, bits), strict=False)), numbers, st.integers(1, 128)
)
sources = st.lists(v4 | v6, min_size=1, max_size=6)
rules = st.lists(st.tuples(sources, st.sampled_from(["allow", "deny"])), max_size=6)


@given(rules, st.sampled_from(["allow", "deny"]), st.data())
def test_a_list_says_what_a_scan_of_its_rules_says(
    drawn: list[tuple[list[str], str]], default: str, data: st.DataObject
) -> None:
    made = [rule(n, action, *texts) for n, (texts, action) in enumerate(drawn, 1)]
    shuffled = data.draw(st.permutations(made))
    access_list = AccessList(default=default, rules=tuple(shuffled))  # type: ignore[arg-type]
    matcher = compile_access_list(access_list, {})
    asked = [
        str(ip_network(text)[place]) for texts, _ in drawn for text in texts for place in (0, -1)
    ]
    asked.append(str(ip_address(data.draw(numbers))))
    for text in asked:
        address = ip_address(text)
        if address.version == 6 and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        scanned = next(
            (action for texts, action in drawn for one in texts if address in ip_network(one)),
            default,
        )
        assert matcher.admits(text) is (scanned == "allow")


def test_nobody_is_in_no_ranges() -> None:
    assert not AddressRanges().covers((False, 1, 2))
