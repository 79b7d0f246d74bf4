"""Nothing that a release promised is gone: each name of its list is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache import __version__
from tests.compatibility.names import names

LISTS = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("file", LISTS, ids=lambda path: path.stem)
def test_what_a_release_had_is_there(file: Path) -> None:
    """Within a major version; below 1.0 a list may be dropped, with a line in CHANGELOG.md."""
    gone = set(file.read_text().splitlines()) - set(names())
    assert sorted(gone) == []


def test_this_release_has_its_list() -> None:
    assert __version__ in [path.stem for path in LISTS]


def test_each_kind_of_name_is_read() -> None:
    """A generator that finds nothing would promise nothing."""
    found = names()
    for known in (
        "command edgecache invalidate --soft",
        "metric edgecache_requests_total tier,location,distribution,result,result_type",
        "access-log 0 date",
        "json-log reason",
        "realtime-log timestamp",
        "cloudfront CreateDistribution",
        "rest GET /nodes",
        "testing SiteAnswer.hit",
        "testing Edgecache.clock",
        "testing SiteUnderTest.domain_name",
    ):
        assert known in found, known
