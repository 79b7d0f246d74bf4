"""Readers as nodes hear of them."""

from __future__ import annotations

import pytest

from edgecache.cluster.log_readers import (
    ALL_TIERS,
    DEFAULT_FIELDS,
    FIELDS_MAX,
    PATH_FIELDS,
    LogSubscription,
    field_names,
)
from edgecache.observe.log_filter import FILTER_COLUMNS, FilterError


@pytest.mark.parametrize(
    ("tier", "edge", "regional"),
    [("edge", True, False), ("regional", False, True), (ALL_TIERS, True, True), ("", False, False)],
)
def test_a_reader_is_about_tiers(tier: str, edge: bool, regional: bool) -> None:
    made = LogSubscription("r", tier=tier)
    assert (made.covers("edge"), made.covers("regional")) == (edge, regional)


def test_fields_are_named_in_short_or_in_full() -> None:
    assert field_names([]) == ()
    assert field_names(["status", "cs-uri-stem", "tier"]) == ("sc-status", "cs-uri-stem", "tier")
    for odd in (["nothing"], ["cs(Cookie)"], [""]):
        with pytest.raises(ValueError, match="there is no field"):
            field_names(odd)
    with pytest.raises(ValueError, match=f"more than {FIELDS_MAX}"):
        field_names(["status"] * (FIELDS_MAX + 1))


def test_the_usual_fields_are_fields() -> None:
    assert {*DEFAULT_FIELDS, *PATH_FIELDS} <= FILTER_COLUMNS.keys()


def test_what_it_selects() -> None:
    made = LogSubscription("r", "status=200", ("sc-status",), 50.0, summary=True).selection()
    assert (made.filter.expression, made.fields, made.percent, made.summary) == (
        "status=200", ("sc-status",), 50.0, True,
    )  # fmt: skip
    one = LogSubscription("r", request_id="a-_b==").selection()
    assert one.filter.expression == 'x-edge-request-id="a-_b=="'
    with pytest.raises(FilterError):
        LogSubscription("r", "staus=1").selection()
