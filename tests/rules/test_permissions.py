"""What keys with limits may do: the tables are whole, and what is not in them is refused."""

from __future__ import annotations

import pytest

from edgecache.control.cloudfront.model import api
from edgecache.control.cloudfront.operations import actions
from edgecache.control.rest.routes import ROUTES
from edgecache.rules.permissions import (
    ARN,
    BODY,
    CLOUDFRONT,
    EVERY_KEY,
    REST,
    Action,
    KeyLimits,
    refusal,
)

WITHOUT_LIMITS_ALONE = {
    "list_access_keys", "create_access_key", "delete_access_key",
    "adopt_distribution", "give_back_distribution", "reload_file", "remove_node",
}  # fmt: skip
OF_NODES = {"report_status", "deliver_log", "leave_node", "follow_log", "serve_probe"}
ONE = frozenset({"E1"})


def test_every_operation_that_acts_is_in_the_table_and_no_other() -> None:
    assert CLOUDFRONT.keys() == actions().keys()


def test_every_route_in_the_table_is_there() -> None:
    """One that is not in it is for keys without limits: those that are known are listed here."""
    known = {route.operation for route in ROUTES}
    assert known >= REST.keys() | WITHOUT_LIMITS_ALONE | OF_NODES
    assert not REST.keys() & (WITHOUT_LIMITS_ALONE | OF_NODES)


@pytest.mark.parametrize("name", sorted(CLOUDFRONT))
def test_what_an_operation_is_about_is_a_member_it_must_be_given(name: str) -> None:
    wanted = CLOUDFRONT[name].distribution
    about_one = [part for part in api().operations[name].path if part.startswith("{")]
    if wanted:
        assert wanted in api().operations[name].takes.required_members
    elif about_one:
        assert (
            "Distribution" not in name
            or name.startswith("ListDistributionsBy")
            or (name == "CopyDistribution")
        )


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: str(route.operation))
def test_what_a_route_is_about_stands_in_its_path_or_body(route: object) -> None:
    permission = REST.get(route.operation)  # type: ignore[attr-defined]
    if permission is None or permission.distribution in ("", EVERY_KEY):
        return
    if permission.distribution == BODY:
        assert "distribution" in route.takes.__struct_fields__  # type: ignore[attr-defined]
    else:
        assert f"{{{permission.distribution}}}" in route.path  # type: ignore[attr-defined]


@pytest.mark.parametrize("table", [CLOUDFRONT, REST], ids=["cloudfront", "rest"])
def test_each_action_permits_its_own_and_no_more(table: dict[str, object]) -> None:
    for name, permission in table.items():
        for action in Action:
            limits = KeyLimits(frozenset({action}))
            refused = refusal(limits, name, permission, "E1")  # type: ignore[arg-type]
            assert bool(refused) is (action not in permission.actions)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("limits", "distribution", "refused"),
    [
        (KeyLimits(), "E2", False),
        (KeyLimits(frozenset({"invalidate"})), "E2", False),
        (KeyLimits(frozenset({"invalidate"}), ONE), "E1", False),
        (KeyLimits(frozenset(), ONE), "E1", False),
        (KeyLimits(frozenset(), ONE), "E2", True),
        (KeyLimits(frozenset(), ONE), "e1", True),
        (KeyLimits(frozenset(), ONE), "", True),
        (KeyLimits(frozenset({"read"}), ONE), "E1", True),
        (KeyLimits(frozenset({"of a later release"})), "E1", True),
    ],
)
def test_limits(limits: KeyLimits, distribution: str, refused: bool) -> None:
    why = refusal(limits, "CreateInvalidation", CLOUDFRONT["CreateInvalidation"], distribution)
    assert bool(why) is refused


@pytest.mark.parametrize("limits", [KeyLimits(frozenset(Action)), KeyLimits(frozenset(), ONE)])
@pytest.mark.parametrize("name", sorted(WITHOUT_LIMITS_ALONE | {"of_a_later_release"}))
def test_what_is_in_no_table_needs_a_key_without_limits(limits: KeyLimits, name: str) -> None:
    assert refusal(limits, name, REST.get(name), "E1")
    assert not refusal(KeyLimits(), name, REST.get(name), "E1")


@pytest.mark.parametrize("name", [n for n, one in CLOUDFRONT.items() if not one.distribution])
def test_a_key_for_one_distribution_lists_and_makes_no_others(name: str) -> None:
    assert refusal(KeyLimits(frozenset(), ONE), name, CLOUDFRONT[name], "")


def test_tags_are_of_the_distribution_their_arn_names() -> None:
    assert {n for n, one in CLOUDFRONT.items() if one.distribution == ARN} == {
        "ListTagsForResource", "TagResource", "UntagResource",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["create_log_reader", "read_log", "delete_log_reader"])
def test_the_live_log_is_for_keys_that_may_read_all_of_it(name: str) -> None:
    def refused(actions: set[str], distributions: frozenset[str] = frozenset()) -> str:
        return refusal(KeyLimits(frozenset(actions), distributions), name, REST[name], "")

    assert refused({Action.READ}) == ""
    assert refused({Action.INVALIDATE, Action.WRITE, Action.RELEASE}) != ""
    assert refused({Action.READ}, ONE) != ""
