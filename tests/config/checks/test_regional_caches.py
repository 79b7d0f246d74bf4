"""Regional caches of a file: one without a name, or several with one each."""

from __future__ import annotations

from typing import Any

import pytest

from tests.config.checks.test_configuration import SITE, problems


def caches(*names: str, **more: Any) -> dict[str, Any]:
    listed = [{"name": name, "listen": f"unix:{name or 'x'}.sock", **more} for name in names]
    return {"regional_caches": listed, "distributions": [SITE]}


def location(**more: Any) -> dict[str, Any]:
    return {"locations": [{"name": "LHR50", "listen": "127.0.0.1:1", **more}]}


@pytest.mark.parametrize(("table", "expected"), [
    (caches("eu-1", "eu-2"), []),
    (caches("eu-1", "eu-2", region="eu") | location(region="eu"), []),
    (caches("eu-1") | location(), []),
    (caches(""), ["regional_caches[0].name: missing"]),
    (
        caches("eu_1"),
        ['regional_caches[0].name: "eu_1" is not a name (letters, digits, -)'],
    ),
    (
        {"regional_caches": [
            {"name": "a", "listen": "127.0.0.1:1"}, {"name": "A", "listen": "127.0.0.1:2"},
        ]},
        ['regional_caches[1].name: "A" names another regional cache too'],
    ),
    (
        caches("lhr50") | location(),
        ['regional_caches[0].name: "lhr50" names a location too'],
    ),
    (
        caches("eu", region="EU"),
        ['regional_caches[0].name: "eu" is a region too'],
    ),
    (
        caches("a", region="of two"),
        ['regional_caches[0].region: "of two" is not a name'],
    ),
    (
        caches("a", region="eu") | location(region="us"),
        ['locations[0].region: "us" is no regional cache\'s region (known: "eu")'],
    ),
    (
        location(region="us") | {"distributions": [SITE]},
        ['locations[0].region: "us" is no regional cache\'s region (known: none)'],
    ),
    (
        caches("a") | {"regional": {}},
        [
            "regional: is the only regional cache, and there are [[regional_caches]]: make it one "
            'of them, with a name (and listen = "unix:regional.sock" where it had none)'
        ],
    ),
    (
        {"regional": {"name": "a"}},
        ["regional.name: belongs to [[regional_caches]]: there is one here"],
    ),
    (
        {"regional": {"weight": 2.0}},
        ["regional.weight: belongs to [[regional_caches]]: there is one here"],
    ),
    (
        {"hash_balance_factor": 99},
        [
            "hash_balance_factor: 99 percent is less than a fair share: 100 or more, or 0 for no "
            "bound"
        ],
    ),
    ({"hash_balance_factor": 125}, []),
    (
        {"regional_caches": [
            {"name": "a", "listen": "127.0.0.1:1"}, {"name": "b", "listen": "127.0.0.1:1"},
        ]},
        ['regional_caches[1].listen: "127.0.0.1:1" is already taken by regional_caches[0].listen'],
    ),
    (
        {"cluster": {"mutual_tls": False}, "regional_caches": [
            {"name": "a", "listen": "0.0.0.0:1", "advertise": "a.test:1"},
            {"name": "b", "listen": "0.0.0.0:1", "advertise": "b.test:1"},
        ]},
        [],
    ),
    (
        {"cluster": {"mutual_tls": False}, "regional_caches": [
            {"name": "a", "listen": "0.0.0.0:1", "advertise": "a.test:1"},
            {"name": "b", "listen": "0.0.0.0:1", "advertise": "a.test:2"},
        ]},
        ['regional_caches[1].listen: "0.0.0.0:1" is already taken by regional_caches[0].listen'],
    ),
    (
        {"regional_caches": [
            {"name": "a", "listen": "127.0.0.1:1", "region": "eu"},
            {"name": "b", "listen": "127.0.0.1:1", "region": "us"},
        ]},
        [],
    ),
    (
        {"regional_caches": [{"name": "a", "listen": "10.0.0.1:1"}]},
        [
            "cluster.mutual_tls: missing: regional_caches[0].listen is 10.0.0.1:1, for other "
            "machines: true (see `edgecache nodes token`), or false where the network between "
            "them is your own"
        ],
    ),
    (
        {"regional_caches": [{"name": "a", "listen": "127.0.0.1:1", "advertise": "0.0.0.0:1"}]},
        [
            'regional_caches[0].advertise: "0.0.0.0:1" is every address: say one, or a name, of '
            "this machine"
        ],
    ),
    (
        {"regional_caches": [{"name": f"r{n}", "listen": f"127.0.0.1:{n + 1}"} for n in range(65)]},
        ["regional_caches: 65 are more than 64"],
    ),
])  # fmt: skip
def test_what_is_said_of_them(table: dict[str, Any], expected: list[str]) -> None:
    assert problems(table) == expected
