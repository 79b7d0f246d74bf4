"""Changes over the REST API: pages, authors, differences; for whom they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.control.cloudfront.desk import Desk, open_desk, site
from tests.control.rest.test_access_keys import asked

SECRET = "what-the-origin-trusts"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as made:
        yield made


def ask(desk: Desk, target: str, status: int = 200) -> Any:
    answer = desk.asks("GET", target, headers=desk.token())
    assert answer.status_code == status, answer.text
    return answer.json()


def test_pages_go_on_where_the_last_ended(desk: Desk) -> None:
    client = desk.client(desk.made_key("terraform"))
    for name in ("one", "two", "three"):
        client.create_distribution(DistributionConfig=site(name))
    first = ask(desk, "/changes?max_items=3")
    assert [one["number"] for one in first["changes"]] == [4, 3, 2]
    newest = first["changes"][0]
    assert (newest["author"], newest["kind"], newest["at"]) == ("terraform", "config", desk.now)
    last = ask(desk, f"/changes?max_items=3&marker={first['next']}")
    assert [one["number"] for one in last["changes"]] == [1]
    assert last["next"] == ""
    file = ask(desk, "/changes?author=file")
    assert [one["summary"] for one in file["changes"]] == ["control started"]


def test_a_change_tells_what_differs_and_no_secret(desk: Desk) -> None:
    client = desk.client()
    document = site("one")
    header = {"HeaderName": "X-Auth", "HeaderValue": SECRET}
    document["Origins"]["Items"][0]["CustomHeaders"] = {"Quantity": 1, "Items": [header]}
    made = client.create_distribution(DistributionConfig=document)
    id = made["Distribution"]["Id"]
    header["HeaderValue"] = f"{SECRET}-2"
    client.update_distribution(
        Id=id, IfMatch=made["ETag"], DistributionConfig=document | {"Comment": "new"}
    )
    for number, count in ((2, None), (3, 2)):
        told = ask(desk, f"/changes/{number}")
        assert SECRET not in str(told)
        assert told["problem"] == ""
        assert count is None or len(told["differences"]) == count
    places = {one["path"]: (one["before"], one["after"]) for one in told["differences"]}
    assert places[f"distributions[{id}].comment"][1] == '"new"'
    (masked,) = (pair for place, pair in places.items() if "custom_headers" in place)
    assert masked == ("(not shown)", "(not shown)")


def test_what_cannot_be_told_is_said(desk: Desk) -> None:
    assert ask(desk, "/changes/1")["problem"] == "no configuration before 1 is kept any more"
    assert "change 99 is not kept" in ask(desk, "/changes/99", 404)["error"]
    for target in ("/changes/x", "/changes/-1", "/changes?marker=x", "/changes?max_items=0"):
        ask(desk, target, 400)
    assert ask(desk, f"/changes/{'9' * 18}", 404)


def test_for_whom_they_are(desk: Desk) -> None:
    """They tell of every distribution: a key for one of them is not told."""
    limited = desk.made_key("one-site", ["read"], ["EFILE"])
    writer = desk.made_key("writer", ["write"])
    reader = desk.made_key("reader", ["read"])
    for target in ("/changes", "/changes/1"):
        assert asked(desk, limited, "GET", target).status_code == 403
        assert asked(desk, writer, "GET", target).status_code == 403
        assert asked(desk, reader, "GET", target).status_code == 200
        assert desk.asks("GET", target).status_code == 401
