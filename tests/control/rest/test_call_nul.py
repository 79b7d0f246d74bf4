"""A NUL character in what is to be kept: PostgreSQL's texts have none, so none is taken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.control.api.asking import refused
from tests.control.cloudfront.desk import FILE, Desk, botocores_clock
from tests.control.conftest import Opener
from tests.rules.private.signers import RSA


@pytest.fixture
def desk(opened: Opener, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, FILE.format(pem=RSA.public_pem), opens=opened)
    with botocores_clock(made.now):
        yield made
    made.state.close()


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"distribution": "EFILE", "paths": ["/a", "/b\0"]}, "paths[1]: "),
        ({"distribution": "EFILE\0", "paths": ["/a"]}, "distribution: "),
        (
            {"distribution": "EFILE", "paths": ["/a"], "caller_reference": "\0"},
            "caller_reference: ",
        ),
        ({"distribution": "EFILE", "tags": ["a\\u0000b"]}, None),  # no NUL, but its escape in text
    ],
)
def test_a_body_is_refused_with_the_member_named(
    desk: Desk, body: dict[str, Any], place: str | None
) -> None:
    before = desk.log.last_seq
    answer = desk.asks("POST", "/invalidations", json.dumps(body).encode(), desk.token())
    if place is None:
        assert "NUL" not in answer.text
        return
    assert (answer.status_code, desk.log.last_seq) == (400, before)
    assert answer.text.startswith(f"{place}holds a NUL character")


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/distributions/E%00", "id"),
        ("/invalidations/EFILE?marker=%00", "marker"),
        ("/distributions?marker=%00", "marker"),
    ],
)
def test_a_path_and_a_query_are_refused_with_the_name(desk: Desk, target: str, name: str) -> None:
    answer = desk.asks("GET", target, headers=desk.token())
    assert answer.status_code == 400
    assert answer.text.startswith(f"{name}: holds a NUL character")


def test_operations_of_aws_are_refused_with_the_parameter(desk: Desk) -> None:
    client = desk.client()
    for ask in (
        lambda: client.get_distribution(Id="E\0"),
        lambda: client.list_invalidations(DistributionId="EFILE", Marker="\0"),
    ):
        refused(ask, code="InvalidArgument", status=400)
