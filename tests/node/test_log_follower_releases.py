"""A node and a control of different releases: one line where they do not work together."""

from __future__ import annotations

import logging

import httpx
import pytest

from edgecache.cluster.log_entries import LogEntry, Speaker
from edgecache.node.followed_configuration import UnknownSettingsError
from edgecache.node.log_follower import BACK_OFF_S_MAX
from tests.node.test_log_follower import Control, Node, page


def test_control_says_why_once(caplog: pytest.LogCaptureFixture) -> None:
    told = {"error": "edge-1 runs 0.1, and 0.9 takes 5 and later: upgrade edge-1 first"}
    control = Control(*(httpx.Response(409, json=told) for _ in range(3)), page(1))
    with caplog.at_level(logging.INFO, "edgecache"):
        assert control.followed() == [1]
    assert [record.message for record in caplog.records] == [
        f"control at http://control.test refuses this node (edge-1): {told['error']}",
        "control at http://control.test: well again",
    ]


def test_a_control_that_is_too_old_is_not_followed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot know that we are; so we take no lease of it."""
    monkeypatch.setattr(
        "edgecache.cluster.log_entries.refusal.__defaults__", (Speaker(3, "3.0"), 2)
    )
    control = Control(page(1), page(1))
    with caplog.at_level(logging.ERROR):
        node = control.node()
    assert (node.applied, node.confirmed) == ([], [])
    assert [record.message for record in caplog.records] == [
        "control at http://control.test is not followed: control runs a former release"
        " (protocol 1), and 3.0 (protocol 3) takes 2 and later: upgrade control first"
    ]


def test_settings_that_are_not_known_stand_and_give_no_lease(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Older(Node):
        def apply(self, entry: LogEntry) -> None:
            raise UnknownSettingsError(f"generation {entry.seq} cannot be read: unknown field")

    node = Older()
    control = Control(page(1), page(1), page(1))
    with caplog.at_level(logging.ERROR):
        control.play(node)
    assert (control.asked, node.confirmed) == (["0", "0", "0", "0"], [])
    assert control.paused == [BACK_OFF_S_MAX] * 3
    assert len(caplog.records) == 1
    assert "generation 1 cannot be read: unknown field; control runs" in caplog.text
