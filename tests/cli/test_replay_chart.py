"""The chart of a replay: what stands in it, that it is drawn; what is said without matplotlib."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from edgecache.cli.replay_chart import BEHAVIORS_MAX, NoChartError, bars, draw


def counted(requests: int, there: float | None, here: float) -> dict[str, Any]:
    told = {"requests_there": there, "bytes_there": there, "requests_here": here}
    return {"requests": requests, "bytes": 10 * requests, "bytes_here": here / 2, **told}


def document(count: int = 2, there: float | None = 0.5) -> dict[str, Any]:
    behaviors = [
        {"distribution": "E1", "behavior": f"/{number}/*", **counted(number, there, 0.25)}
        for number in range(count)
    ]
    return {"all": counted(100, there, 0.75), "behaviors": behaviors}


def test_rows_are_those_of_most_requests_behind_all() -> None:
    assert bars(document(), "requests") == [
        ("all", 0.5, 0.75), ("E1 /1/*", 0.5, 0.25), ("E1 /0/*", 0.5, 0.25)
    ]  # fmt: skip
    assert bars(document(), "bytes")[0] == ("all", 0.5, 0.375)
    assert len(bars(document(BEHAVIORS_MAX + 9), "bytes")) == 1 + BEHAVIORS_MAX
    assert bars(document(there=None), "requests")[0] == ("all", None, 0.75)


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(NoChartError, match=r"edgecache\[chart\]"):
        draw(document(), tmp_path / "a.png")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["a.png", "a.svg"])
def test_a_picture_is_written(tmp_path: Path, name: str) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    draw(document(there=None), tmp_path / name)
    begins = {"a.png": b"\x89PNG", "a.svg": b"<?xml"}[name]
    assert (tmp_path / name).read_bytes().startswith(begins)
