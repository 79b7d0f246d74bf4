"""Whatever fits the model may be sent: it acts, or is refused; nothing makes control fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecache.control.cloudfront.model import api
from edgecache.control.cloudfront.operations import actions
from tests.control.cloudfront.desk import OPTIMIZED, Desk, open_desk
from tests.control.cloudfront.test_codec import service, values

IDS = ["EFILE", "KFILE", "team", OPTIMIZED, "E1", "x/../y", "é"]


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("any")) as desk:
        yield desk


@pytest.mark.parametrize("name", sorted(actions()))
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_input_is_answered(open_to_all: Desk, name: str, data: st.DataObject) -> None:
    shape = api().operations[name].takes
    wanted: dict[str, Any] = {}
    for member, one in shape.members.items():
        if one.serialization.get("location") == "uri":
            wanted[member] = data.draw(st.sampled_from(IDS))
        elif "location" in one.serialization:
            kind = st.booleans() if one.type_name == "boolean" else st.sampled_from([*IDS, "7"])
            wanted[member] = data.draw(kind)
        else:
            wanted[member] = values(one, data.draw)
    open_to_all.now += 60  # the callers' buckets are full again
    made = serialize(name, wanted)
    headers = {key: quote(str(value), safe="/") for key, value in made["headers"].items()}
    query = "&".join(f"{key}={value}" for key, value in made["query_string"].items())
    path = made["url_path"] + ("&" if "?" in made["url_path"] else "?") + query
    body = made["body"] if isinstance(made["body"], bytes) else str(made["body"]).encode()
    answer = open_to_all.asks(made["method"], path, body, headers | open_to_all.token())
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert b"<Code>" in answer.content


def serialize(name: str, wanted: dict[str, Any]) -> Any:
    model = service().operation_model(name)
    return create_serializer("rest-xml", include_validation=False).serialize_to_request(
        wanted, model
    )
