"""What key value stores hold, as nodes ask control for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edgecache.cluster.log_entries import KeyValueContent
from edgecache.control.rest.key_values import KeyValueContents
from edgecache.control.rest.routes import starlette_routes
from edgecache.control.state.database_thread import run_inline
from edgecache.control.state.key_values import KeyValues
from tests.control.rest.test_app import Place


def key_value_contents(place: Place) -> KeyValueContents:
    values = KeyValues(place.state, place.log)
    return KeyValueContents(values, place.log.live, place.control.admission, run_inline)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    place.app.router.routes += starlette_routes(key_value_contents(place).handlers())
    yield place
    place.state.close()


def make(place: Place, **items: str) -> int:
    with place.state.writing():
        return KeyValues(place.state, place.log).create("s", items, place.now).version


def content(place: Place) -> KeyValueContent:
    answer = place.hear("GET", f"/key-value-contents/s?after={place.log.last_seq}")
    assert answer.status_code == 200
    return msgspec.json.decode(answer.content, type=KeyValueContent)


def test_a_node_is_given_all_of_a_store_as_it_is_now(place: Place) -> None:
    version = make(place, a="1")
    told = KeyValueContent("s", version, place.now, place.now, {"a": "1"})
    assert [content(place), content(place)] == [told, told]
    newer = make(place, a="2")
    assert (content(place).version, content(place).items) == (newer, {"a": "2"})


@pytest.mark.parametrize(
    ("target", "status"),
    [("t", 404), ("s?after=99", 503), ("s?after=x", 400), ("s?after=-1", 400)],
)
def test_what_is_not_given(place: Place, target: str, status: int) -> None:
    make(place)
    answer = place.hear("GET", f"/key-value-contents/{target}")
    assert answer.status_code == status
    assert answer.json()["error"]


def test_nobody_else_is_told(place: Place) -> None:
    make(place, a="1")
    assert place.ask("GET", "/key-value-contents/s").status_code == 401
