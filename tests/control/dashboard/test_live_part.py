"""Parts of the state that controls tell each other, and their sum."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edgecache.control.dashboard.live_part import (
    ROWS_MAX,
    LivePart,
    LiveRow,
    merged,
    told_origins,
    told_rows,
)
from edgecache.control.dashboard.report_differences import BEHAVIOR, DISTRIBUTION, TOTAL
from edgecache.control.dashboard.traffic_step import HITS, MISSES, NUMBERS


def sums(hits: int = 0, misses: int = 0) -> tuple[int, ...]:
    step = [0] * NUMBERS
    step[HITS], step[MISSES] = hits, misses
    return tuple(step)


def row(by: str = TOTAL, name: str = "", hits: int = 0, misses: int = 0) -> LiveRow:
    return LiveRow(by, name, sums(hits, misses), sums(hits, misses), hits + misses)


def part(**changes: Any) -> LivePart:
    nothing: dict[str, Any] = {
        "rows": [], "nodes": {}, "stores": [], "memory": [], "origins": [],
        "certificate_begins": {}, "certificate_ends": {},
    }  # fmt: skip
    return LivePart(**(nothing | changes))


def test_rows_add_up_before_anything_is_divided() -> None:
    parts = [
        part(rows=[row(hits=10), row(DISTRIBUTION, "E1", hits=10)]),
        part(rows=[row(misses=30), row(DISTRIBUTION, "E1", misses=30)]),
    ]
    told = told_rows(merged(parts).rows)
    for one in (told["total"], told["distributions"][0]):
        assert (one["requests"], one["requests_s"], one["hit_ratio"]) == (40, 8.0, 0.25)
    assert told["behaviors"] == []
    assert told_rows([])["total"]["requests"] == 0


def test_of_many_rows_the_busiest_are_told() -> None:
    rows = [row(BEHAVIOR, f"E1 /{number}", hits=number) for number in range(ROWS_MAX + 5)]
    told = told_rows(rows)["behaviors"]
    assert len(told) == ROWS_MAX
    assert told[0]["name"] == f"E1 /{ROWS_MAX + 4}"
    assert told[0]["errors_s"] is None


def test_places_of_both_add_up_and_the_oldest_is_told() -> None:
    def store(location: str, size: int, oldest_s: float | None) -> dict[str, Any]:
        return {"tier": "edge", "location": location, "bytes": size, "oldest_s": oldest_s}

    def memory(size: int) -> dict[str, Any]:
        return {"tier": "edge", "location": "A", "kinds": {"fills": size, f"k{size}": 1}}

    told = merged([
        part(stores=[store("B", 1, None), store("A", 2, None)], memory=[memory(3)]),
        part(stores=[store("A", 5, 7.5)], memory=[memory(4)]),
    ])  # fmt: skip
    assert told.stores == [store("A", 7, 7.5), store("B", 1, None)]
    assert told.memory[0]["kinds"] == {"fills": 7, "k3": 1, "k4": 1}


def test_an_origin_is_as_bad_as_anybody_finds_it() -> None:
    def origin(state: str, p99_s: float | None, **faults: int) -> dict[str, Any]:
        return {
            "name": "o:80", "state": state, "circuits_open": 1, "connections": 2,
            "requests_s": 1.5, "errors_s": 0.1, "faults": faults, "p50_s": None, "p99_s": p99_s,
        }  # fmt: skip

    other = origin("idle", None) | {"name": "a:80"}
    told = told_origins([other, origin("healthy", 0.1, connect=1), origin("open", 2.5, connect=2)])
    assert [one["name"] for one in told] == ["o:80", "a:80"]
    assert told[0] == origin("open", 2.5, connect=3) | {
        "circuits_open": 2, "connections": 4, "requests_s": 3.0, "errors_s": 0.2,
    }  # fmt: skip


def test_certificates_are_told_by_the_first_to_end() -> None:
    told = merged([
        part(certificate_ends={"a": 5.0, "b": 1.0}, certificate_begins={"a": 1.0}),
        part(certificate_ends={"a": 3.0}, certificate_begins={"a": 2.0}),
    ])  # fmt: skip
    assert told.certificate_ends == {"a": 3.0, "b": 1.0}
    assert told.certificate_begins == {"a": 1.0}


def test_what_travels_is_read_again_and_of_another_release_refused() -> None:
    sent = msgspec.json.encode(part(rows=[row(hits=1)]))
    assert msgspec.json.decode(sent, type=LivePart) == part(rows=[row(hits=1)])
    with pytest.raises(msgspec.ValidationError, match="another release"):
        msgspec.json.decode(b'["total","",[1],[1],1]', type=LiveRow)
