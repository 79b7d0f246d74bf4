"""Origin groups, and headers only an origin request policy may name: what is refused, and where."""

from __future__ import annotations

import pytest

from edgecache.config.checks.distribution import check_origin_groups
from edgecache.config.checks.policies import check_cache_policy, check_origin_request_policy
from edgecache.config.model import (
    Behavior,
    CachePolicy,
    Distribution,
    HeaderSelection,
    Origin,
    OriginGroup,
    OriginRequestPolicy,
)
from edgecache.config.problems import Problems


def group(name: str = "g", *members: str, codes: tuple[int, ...] = (503,)) -> OriginGroup:
    return OriginGroup(id=name, members=members or ("a", "b"), status_codes=codes)


def problems(*groups: OriginGroup) -> list[str]:
    """What is wrong with a distribution of origins `a` and `b` and these groups."""
    found = Problems()
    distribution = Distribution(
        id="E",
        origins=tuple(Origin(id=name, domain_name=f"{name}.test") for name in "ab"),
        origin_groups=groups,
        default_behavior=Behavior(origin="a"),
    )
    check_origin_groups(distribution, "groups", found)
    return [str(problem) for problem in found.found]


def test_a_good_group_has_no_problem() -> None:
    assert problems(group(codes=(400, 403, 404, 416, 429, 500, 502, 503, 504))) == []


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ((group(""),), 'groups[0].id: "" is not an id'),
        ((group("a"),), 'groups[0].id: "a" is already the id of an origin or a group'),
        ((group(), group()), 'groups[1].id: "g" is already the id of an origin or a group'),
        ((group("g", "a"),), "groups[0].members: a group has 2 different origins, in order"),
        ((group("g", "a", "a"),), "groups[0].members: a group has 2 different origins, in order"),
        ((group("g", "a", "c"),),
         'groups[0].members[1]: "c" is not an origin (known: "a", "b")'),
        ((group(codes=()),), "groups[0].status_codes: empty: nothing would ever fail over"),
        ((group(codes=(503, 501)),),
         "groups[0].status_codes[1]: 501 is not one of 400, 403, 404, 416, 429, 500, 502, 503, "
         "504"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_group(groups: tuple[OriginGroup, ...], told: str) -> None:
    assert told in problems(*groups)


@pytest.mark.parametrize(
    ("name", "keyed"),
    [
        ("CloudFront-Viewer-Country", True),
        ("CloudFront-Viewer-City", True),
        ("CloudFront-Is-Mobile-Viewer", True),
        ("CloudFront-Forwarded-Proto", True),
        ("CloudFront-Viewer-Address", False),
        ("cloudfront-viewer-asn", False),
        ("CloudFront-Viewer-TLS", False),
        ("CloudFront-Viewer-Header-Order", False),
        ("CloudFront-Viewer-Header-Count", False),
    ],
)
def test_which_viewer_headers_may_be_in_a_key(name: str, keyed: bool) -> None:
    headers = HeaderSelection(behavior="whitelist", items=(name,))
    found = Problems()
    check_origin_request_policy(OriginRequestPolicy(headers=headers), "extra", found)
    assert found.found == []
    check_cache_policy(CachePolicy(headers=headers), "policy", found)
    assert [problem.where for problem in found.found] == (
        [] if keyed else ["policy.headers.items[0]"]
    )
