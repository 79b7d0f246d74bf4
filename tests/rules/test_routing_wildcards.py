"""Wildcards among the names of distributions: the longest counts, however many there are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgecache.rules.routing import RouteTable, Site

LABELS = st.text("ab-", max_size=2)


@given(
    st.lists(st.lists(LABELS, min_size=1, max_size=3), max_size=6),
    st.lists(LABELS, max_size=5),
)
def test_a_wildcard_is_found_as_by_a_scan_of_them_all(
    wild: list[list[str]], host: list[str]
) -> None:
    named = {f".{'.'.join(labels)}".encode(): None for labels in wild}
    asked = ".".join(host).encode()
    table = RouteTable({}, named, {}, None)
    longest_first = sorted(named, key=len, reverse=True)
    assert table.wildcard_suffix(asked) == next(filter(asked.endswith, longest_first), None)


def test_a_wildcard_among_thousands_is_found_in_a_step_for_each_label() -> None:
    class CountingNames(dict[bytes, Site | None]):
        asked = 0

        def __contains__(self, key: object) -> bool:
            self.asked += 1
            return super().__contains__(key)

    named = CountingNames({b".site-%d.test" % number: None for number in range(10_000)})
    table = RouteTable({}, named, {}, None)
    assert table.wildcard_suffix(b"a.b.site-777.test") == b".site-777.test"
    assert table.wildcard_suffix(b"." * 8_000 + b"test") is None
    assert named.asked < 30
