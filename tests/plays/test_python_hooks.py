"""Python hooks in front of a cache: the events of functions, in the operator's own language."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgecache.config.functions import FunctionAssociation, FunctionEvent, PythonHookConfig
from tests.world.play import Play

Stage = Callable[..., Play]
SOURCE = """
def index(event):
    request = event["request"]
    if "token" not in request["headers"]:
        return {"statusCode": 401, "statusDescription": "Unauthorized"}
    del request["headers"]["token"]
    request["uri"] += "index.html"
    return request

def frames(event):
    event["response"]["headers"]["x-frame-options"] = {"value": "DENY"}
    return event["response"]

def fails(event):
    if event["request"]["uri"] == "/good/":
        return event["request"]
    if event["request"]["uri"] == "/host/":
        event["request"]["headers"]["host"] = {"value": "other.test"}
        return event["request"]
    raise RuntimeError("now")
"""


@pytest.fixture
def hooked(stage: Stage, tmp_path: Path) -> Callable[..., Play]:
    """A stage with hooks of SOURCE at the two events."""
    file = tmp_path / "hooks.py"
    file.write_text(SOURCE)

    def made(**at: str) -> Play:
        names: dict[str, FunctionEvent] = {
            "request": "viewer-request", "response": "viewer-response",
        }  # fmt: skip
        associations = tuple(
            FunctionAssociation(event_type=names[event], python_hook=name)
            for event, name in at.items()
        )
        hooks = tuple(
            PythonHookConfig(name=name, file=str(file), function=name) for name in at.values()
        )
        return stage(
            behavior={"function_associations": associations}, whole={"python_hooks": hooks}
        )

    return made


def test_hooks_change_request_and_response(hooked: Callable[..., Play]) -> None:
    play = hooked(request="index", response="frames")
    play.viewer().asks("/").gets(401, "", x_cache="FunctionGeneratedResponse")
    play.viewer().asks("/", token="1")
    call = play.origin.hears("/index.html")
    assert b"token" not in dict(call.request.fields)
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one", x_cache="Miss")
    for _ in range(3):
        got = play.viewer().asks("/", token="1").gets(200, "one", x_cache="Hit")
        assert got.field("x-frame-options") == "DENY"
    play.viewer().asks("/").gets(401)


def test_what_a_hook_fails_at_is_the_answer(hooked: Callable[..., Play]) -> None:
    play = hooked(request="fails")
    play.viewer().asks("/").gets(503, x_cache="FunctionExecutionError")
    play.viewer().asks("/host/").gets(502, x_cache="FunctionValidationError")
    play.origin.hears_nothing()
    play.viewer().asks("/good/")
    play.origin.answers(200, "one")
    play.viewer().gets(200, "one")
