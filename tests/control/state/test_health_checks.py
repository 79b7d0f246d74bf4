"""Health checks that the API makes: made once for a caller reference, changed, deleted, refused."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edgecache.config.load import load
from edgecache.control.state import health_checks
from edgecache.control.state.health_checks import HealthCheckRefusedError
from edgecache.control.state.resources import Resource
from tests.control.cloudfront.desk import Desk, open_desk

FILE = """
state_dir = "state"
[control]
listen = "127.0.0.1:8090"
[[locations]]
name = "LHR50"
listen = "0.0.0.0:8080"
[dns]
listen = ["127.0.0.1:53"]
name_servers = ["ns1.test"]
health_checks = [{ id = "file", type = "TCP", address = "127.0.0.1", port = 25 }]
[[dns.zones]]
name = "users.test"
records = [{ name = "www", type = "A", values = ["192.0.2.1"], health_check = "file" }]
"""
WEB = {"Type": "HTTP", "IPAddress": "203.0.113.1"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path, FILE.replace("{", "{{").replace("}", "}}")) as made:
        yield made


def made(desk: Desk, reference: str = "one", **more: Any) -> Resource:
    return health_checks.create(desk.catalog, reference, WEB | more)[0]


def code(desk: Desk, change: Any) -> tuple[str, str]:
    with pytest.raises(HealthCheckRefusedError) as error:
        change()
    return error.value.code, error.value.message


def published(desk: Desk) -> dict[str, Any]:
    assert desk.catalog.published.dns is not None
    return {one.id: one for one in desk.catalog.published.dns.health_checks}


def test_it_is_published_beside_those_of_the_file(desk: Desk) -> None:
    one = made(desk, Inverted=True)
    assert published(desk).keys() == {"file", one.id}
    check = published(desk)[one.id]
    assert (check.address, check.inverted, check.reach) == ("203.0.113.1", True, "public")
    assert published(desk)["file"].reach == "private"
    assert [one.id for one in desk.catalog.of(health_checks.KIND)] == sorted(published(desk))


def test_a_caller_reference_makes_one(desk: Desk) -> None:
    one = made(desk)
    again, is_new = health_checks.create(desk.catalog, "one", WEB)
    assert (again.id, is_new) == (one.id, False)
    assert code(desk, lambda: made(desk, Port=81))[0] == "HealthCheckAlreadyExists"
    assert made(desk, "two").id != one.id


def test_a_change_raises_the_version(desk: Desk) -> None:
    one = made(desk, FullyQualifiedDomainName="a.test", ResourcePath="/x")
    assert health_checks.version(one) == 1
    desk.now += 60
    changed = health_checks.update(desk.catalog, one.id, {"Port": 81, "HealthCheckVersion": 1})
    assert health_checks.version(changed) == 2
    assert (changed.created_at, changed.reference) == (one.created_at, "one")
    assert (published(desk)[one.id].port, published(desk)[one.id].host) == (81, "a.test")

    def changed_to(**members: Any) -> Resource:
        return health_checks.update(desk.catalog, one.id, members)

    reset = ["FullyQualifiedDomainName", "ResourcePath"]
    health_checks.update(desk.catalog, one.id, {}, reset)
    assert (published(desk)[one.id].host, published(desk)[one.id].path) == ("", "/")
    assert code(desk, partial(changed_to, HealthCheckVersion=1))[0] == "HealthCheckVersionMismatch"
    fixed = code(desk, partial(changed_to, RequestInterval=10))
    assert fixed == ("InvalidInput", "RequestInterval cannot be changed.")


def test_what_is_named_is_not_deleted(desk: Desk) -> None:
    one = made(desk)
    parent = health_checks.create(
        desk.catalog, "p", {"Type": "CALCULATED", "ChildHealthChecks": [one.id, "file"]}
    )[0]
    found = code(desk, lambda: health_checks.delete(desk.catalog, one.id))
    assert found == (
        "HealthCheckInUse", f"The health check is that of the calculated health check {parent.id}.",
    )  # fmt: skip
    health_checks.delete(desk.catalog, parent.id)
    health_checks.delete(desk.catalog, one.id)
    assert published(desk).keys() == {"file"}
    assert code(desk, lambda: health_checks.delete(desk.catalog, one.id))[0] == "NoSuchHealthCheck"
    assert [*health_checks.users(desk.catalog.published, "file")] == [
        "the record www A of the zone users.test"
    ]


def test_those_of_the_file_are_the_files(desk: Desk) -> None:
    for change in (
        lambda: health_checks.delete(desk.catalog, "file"),
        lambda: health_checks.update(desk.catalog, "file", {"Port": 26}),
    ):
        assert code(desk, change)[1].startswith("file is declared in the configuration file")
    assert health_checks.document(health_checks.get(desk.catalog, "file"))["Port"] == 25
    assert health_checks.version(health_checks.get(desk.catalog, "file")) == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"IPAddress": "127.0.0.1"}, "is a loopback address, which the API may not name"),
        ({"IPAddress": "10.0.0.1"}, "is a private address, which the API may not name"),
        ({"IPAddress": "169.254.169.254"}, "is a link-local address, which no origin may have"),
        ({"IPAddress": "127.0.0.1", "Port": 8090}, "is an address of our own"),
        ({"IPAddress": "::ffff:169.254.169.254"}, "is a link-local address"),
        ({"FailureThreshold": 11}, "failure_threshold: 11 is outside 1 to 10"),
        ({"RequestInterval": 20}, "interval_s: 20 is not 10 or 30"),
        ({"SearchString": "a"}, "search_string: HTTP looks for none"),
        ({"ChildHealthChecks": ["file"]}, "children: HTTP has none"),
        ({"Type": "CALCULATED", "ChildHealthChecks": ["no"]}, 'children[0]: "no" is no health'),
        ({"Type": "CLOUDWATCH_METRIC"}, 'Type: "CLOUDWATCH_METRIC" is not supported'),
    ],
)
def test_what_no_node_would_ask_is_refused(desk: Desk, more: dict[str, Any], message: str) -> None:
    found, told = code(desk, lambda: made(desk, **more))
    assert found == "InvalidInput"
    assert message in told
    assert published(desk).keys() == {"file"}


def test_a_check_of_a_former_file_stops_nothing(desk: Desk) -> None:
    """What an operator takes out of the file may be what one of the API's is calculated from."""
    parent = health_checks.create(
        desk.catalog, "p", {"Type": "CALCULATED", "ChildHealthChecks": ["file"]}
    )[0]
    path = desk.folder / "edgecache.toml"
    path.write_text(FILE.replace('id = "file"', 'id = "other"').replace('= "file"', '= "other"'))
    desk.open()
    assert published(desk).keys() == {"other"}
    assert [one.id for one in desk.catalog.refused] == [parent.id]


def test_there_are_none_without_dns(desk: Desk) -> None:
    path = desk.folder / "edgecache.toml"
    path.write_text(FILE[: FILE.index("[dns]")])
    one = made(desk)
    desk.catalog.publish(load(path))
    assert desk.catalog.published.dns is None
    assert code(desk, lambda: made(desk, "two"))[1].startswith("There is no [dns]")
    health_checks.delete(desk.catalog, one.id)
    assert desk.catalog.of(health_checks.KIND) == []
