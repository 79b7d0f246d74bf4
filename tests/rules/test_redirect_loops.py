"""Redirects that lead around are found; others are not accused."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.model import Behavior, Config, Distribution, Origin, Redirect
from edgecache.rules.redirect_loops import redirect_loops


def site(id: str, aliases: tuple[str, ...], *behaviors: Behavior, **default: Any) -> Distribution:
    return Distribution(
        id=id,
        aliases=aliases,
        origins=(Origin(id="o", domain_name="origin.test"),),
        behaviors=behaviors,
        default_behavior=Behavior(origin="o", **default),
    )


def told(*sites: Distribution) -> list[str]:
    return [str(one) for one in redirect_loops(Config(distributions=sites))]


BOTH = ("site.test", "www.site.test")


def test_ordinary_rules_lead_somewhere() -> None:
    rules = (
        Redirect(to_host="https://www.site.test"),
        Redirect(trailing_slash="add"),
        Redirect(path="/old/*", to="/new/$1"),
        Redirect(path="/shop/*", to="https://shop.test/$1"),
    )
    secure = "redirect-to-https"
    assert told(site("E1", BOTH, redirects=rules, viewer_protocol_policy=secure)) == []


@pytest.mark.parametrize(
    ("rules", "more", "number"),
    [
        ([Redirect(path="/a/*", to="/b/$1"), Redirect(path="/b/*", to="/a/$1")], {}, 0),
        ([Redirect(path="/a/*", to="/a/b/$1")], {}, 0),  # longer each time
        ([Redirect(to_host="http://www.site.test")],
         {"viewer_protocol_policy": "redirect-to-https"}, 0),
        ([Redirect(hosts=("site.test",), to_host="www.site.test"),
          Redirect(hosts=("www.site.test",), to_host="site.test")], {}, 0),
    ],
)  # fmt: skip
def test_rules_that_lead_around_are_told_with_their_way(
    rules: list[Redirect], more: dict[str, Any], number: int
) -> None:
    found = told(site("E1", BOTH, redirects=tuple(rules), **more))
    assert found[0].startswith(
        f"distributions[0].default_behavior.redirects[{number}]: leads around: http"
    )
    assert " -> " in found[0]


def test_two_distributions_that_send_viewers_to_each_other() -> None:
    one = site("E1", ("a.test",), redirects=(Redirect(to_host="b.test"),))
    other = site("E2", ("b.test",), redirects=(Redirect(to_host="a.test"),))
    assert len(told(one, other)) == 2


def test_the_slash_of_one_behavior_and_the_other_way_in_another() -> None:
    remove = Behavior(
        origin="o", path_pattern="/x/", redirects=(Redirect(trailing_slash="remove"),)
    )
    found = told(site("E1", ("a.test",), remove, redirects=(Redirect(trailing_slash="add"),)))
    assert any("http://a.test/x/ -> http://a.test/x -> http://a.test/x/" in line for line in found)
