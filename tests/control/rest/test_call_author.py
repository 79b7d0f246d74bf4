"""The author of a write: the access key, the token, the file. Every write of both APIs has one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.control.cloudfront.desk import Desk, open_desk, site
from tests.control.rest.test_access_keys import asked, batch

CONTROL = Path(__file__).parents[3] / "edgecache" / "control"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as made:
        yield made


def changes(desk: Desk) -> list[tuple[str, str]]:
    rows = desk.state.execute("SELECT author, summary FROM changes ORDER BY seq").fetchall()
    return [tuple(row) for row in rows]


def test_cloudfront_operations_are_their_keys(desk: Desk) -> None:
    client = desk.client(desk.made_key("terraform"))
    made = client.create_distribution(DistributionConfig=site("one"))["Distribution"]
    client.tag_resource(Resource=made["ARN"], Tags={"Items": [{"Key": "a", "Value": "b"}]})
    paths = ["/a", "/b", "/c/*", "/d", "/e"]
    client.create_invalidation(DistributionId=made["Id"], InvalidationBatch=batch(paths))
    assert changes(desk) == [
        ("file", "control started"),
        ("terraform", f"CreateDistribution {made['Id']}"),
        ("terraform", f"TagResource {made['Id']}"),
        ("terraform", f"CreateInvalidation {made['Id']} /a, /b, /c/* and 2 more"),
    ]


def test_rest_operations_are_their_keys_and_tokens(desk: Desk) -> None:
    key = desk.made_key("deploy")
    invalidation = {"distribution": "EFILE", "tags": ["news"]}
    for method, target, wish in (
        ("POST", "/invalidations", invalidation),
        ("POST", "/distributions/EFILE/releases", {"path": "/img/*"}),
        ("POST", "/distributions/EFILE/adoption", None),
        ("POST", "/access-keys", {"name": "ci", "actions": ["read"]}),
    ):
        answer = asked(desk, key, method, target, wish)
        assert answer.is_success, answer.text
    assert desk.asks("DELETE", "/access-keys/ci", headers=desk.token()).status_code == 200
    assert changes(desk)[1:] == [
        ("deploy", "create_invalidation EFILE #news"),
        ("deploy", "cut_release EFILE /img/*"),
        ("deploy", "adopt_distribution EFILE"),
        ("deploy", "create_access_key ci"),
        ("me", "delete_access_key ci"),
    ]


def test_no_key_is_named_as_control_calls_other_authors(desk: Desk) -> None:
    for name in ("control", "file", "socket"):
        answer = desk.asks(
            "POST", "/access-keys", f'{{"name": "{name}"}}'.encode(), headers=desk.token()
        )
        assert answer.status_code == 400
        assert f"name: {name} is how control itself calls" in answer.json()["error"]


def test_no_operation_changes_the_catalog_without_an_author() -> None:
    """`Catalog.changing` has a default, which is for control alone."""
    found = 0
    for path in [*CONTROL.glob("cloudfront/*.py"), *CONTROL.glob("rest/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr in {"changing", "recorded"}:
                found += 1
                assert node.args, f"{path}:{node.lineno}"
    assert found > 10
