"""All 167 operations: each acts, or says in the API's own form that it is not supported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from edgecache.control.cloudfront.model import api
from edgecache.control.cloudfront.operations import actions
from tests.control.cloudfront.desk import Desk, code_of, open_desk
from tests.control.cloudfront.minimal import minimal
from tests.control.cloudfront.test_codec import service

OPERATIONS = sorted(api().operations)
FAULTS = {
    name: {
        "InvalidArgument",
        *(shape.name for shape in service().operation_model(name).error_shapes),
    }
    for name in OPERATIONS
}


def test_there_are_as_many_as_the_reference_says() -> None:
    assert len(OPERATIONS) >= 167  # of botocore 1.44.5; later ones add


def test_every_action_is_an_operation() -> None:
    assert set(actions()) <= set(OPERATIONS)


def test_the_documentation_counts_them() -> None:
    text = Path(__file__).resolve().parents[3].joinpath("docs", "api.md").read_text()
    assert f"all {len(OPERATIONS)} operations; {len(actions())} act" in " ".join(text.split())


def test_the_documentation_says_of_each_other_why_it_does_not_act() -> None:
    text = Path(__file__).resolve().parents[3].joinpath("docs", "api.md").read_text()
    table = text.partition("| do not act | why |")[2].partition("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in table.splitlines()[2:]]
    named = [name.strip("`, ") for names, _ in rows for name in names.split(", ")]
    assert sorted(named) == [name for name in OPERATIONS if name not in actions()]
    assert all(why for _, why in rows)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One control plane for the whole walk: nothing of the least input is left behind."""
    with open_desk(tmp_path_factory.mktemp("walk")) as desk:
        yield desk


@pytest.fixture(scope="module")
def walker(walked: Desk) -> Any:
    return walked.client()


@pytest.mark.parametrize("name", OPERATIONS)
def test_it_answers_in_the_form_botocore_reads(walked: Desk, walker: Any, name: str) -> None:
    operation = api().operations[name]
    given = minimal(operation.takes)
    call = getattr(walker, xform_name(name))
    if name not in actions():
        with pytest.raises(ClientError, match="edgecache api --list") as refused:
            call(**given)
        assert code_of(refused.value) == ("NotImplemented", 501)
        return
    try:
        answer = call(**given)
    except ClientError as error:
        code, status = code_of(error)
    else:
        code, status = "", answer["ResponseMetadata"]["HTTPStatusCode"]
    assert code in FAULTS[name] if code else status == operation.status


def test_what_is_no_operation_is_refused_in_the_same_form(desk: Desk) -> None:
    for path in ("/2020-05-31/nothing", "/2020-05-31/", "/2019-03-26/distribution"):
        answer = desk.asks("GET", path, headers=desk.token())
        assert (answer.status_code, answer.headers["content-type"]) == (
            404,
            "text/xml; charset=utf-8",
        )
        assert b"<Code>UnknownOperation</Code>" in answer.content
