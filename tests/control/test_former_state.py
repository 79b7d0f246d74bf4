"""A state folder of the former release. Law: what is refused from now on stops nothing else."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from edgecache.cli.check import check_report
from edgecache.config.load import load
from edgecache.config.refused_distributions import start_lines
from edgecache.control.rest.call import RestCall
from edgecache.control.rest.distributions import get_distribution
from edgecache.control.state.compose import NotComposedError
from edgecache.rules.routing import compile_routes
from tests.control.cloudfront.desk import Desk, botocores_clock, code_of

STATE = Path(__file__).with_name("states") / "before_refusals.sql"
PLAIN, FUNCTION, ACL = "EGZAAAAAAFFFFF", "E1KAAAAAAFFFFF", "EM5AAAAAAFFFFF"
DISABLED = "E7MBAAAAAFFFFF"
FILE = """
state_dir = "state"

[control]
listen = "127.0.0.1:8090"
allow_private_origins = true

[[locations]]
name = "LHR50"
listen = "127.0.0.1:8080"

[[distributions]]
id = "EFILE"
aliases = ["file.test"]
origins = [{ id = "o", domain_name = "127.0.0.1" }]
default_behavior = { origin = "o" }
"""
DOCUMENT = '[[distributions]]\nid = "EDOC"\nfile = "dist.json"\n'


def former(folder: Path) -> Path:
    """An installation's folder as the former release left it."""
    (folder / "state").mkdir()
    with closing(sqlite3.connect(folder / "state" / "control.sqlite")) as made:
        made.executescript(STATE.read_text())
    return folder


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(former(tmp_path), FILE)
    with botocores_clock(made.now):
        yield made
    made.state.close()


def unserved(desk: Desk) -> set[str]:
    return {one.id for one in desk.catalog.published.unavailable}


def test_all_others_are_served(desk: Desk) -> None:
    table = compile_routes(desk.catalog.published)
    assert unserved(desk) == {FUNCTION, ACL, DISABLED}
    for host in (b"plain.test", b"file.test"):
        assert table.site(host) is not None
        assert table.unavailable_site(host) is None
    for host in (b"function.test", b"a.acl.test"):
        assert table.site(host) is None
        assert table.unavailable_site(host) is not None
    assert table.site(b"off.test") is None
    assert table.unavailable_site(b"off.test") is None


def test_each_is_told_in_one_line_at_the_start(desk: Desk) -> None:
    lines = [*start_lines(desk.catalog.published)]
    assert len(lines) == 4
    told = next(line for line in lines if FUNCTION in line)
    assert told.startswith(
        f"distribution {FUNCTION} answers 503: "
        'default_behavior.function_associations[0].function: "auth" is not a live function'
    )
    assert lines[-1] == "not supported, and served without (distributions): HttpVersion (1)"


def test_it_is_read_refused_and_healed_over_the_api(desk: Desk) -> None:
    client = desk.client()
    read = client.get_distribution_config(Id=FUNCTION)
    config, etag = read["DistributionConfig"], read["ETag"]
    assert config["DefaultCacheBehavior"]["FunctionAssociations"]["Quantity"] == 1
    with pytest.raises(ClientError) as error:
        client.update_distribution(Id=FUNCTION, IfMatch=etag, DistributionConfig=config)
    assert code_of(error.value) == ("InvalidFunctionAssociation", 400)
    assert unserved(desk) == {FUNCTION, ACL, DISABLED}
    config["DefaultCacheBehavior"]["FunctionAssociations"] = {"Quantity": 0}
    client.update_distribution(Id=FUNCTION, IfMatch=etag, DistributionConfig=config)
    assert unserved(desk) == {ACL, DISABLED}
    assert compile_routes(desk.catalog.published).site(b"function.test") is not None


def test_others_are_made_and_changed_beside_it(desk: Desk) -> None:
    client = desk.client()
    read = client.get_distribution_config(Id=PLAIN)
    config: dict[str, Any] = read["DistributionConfig"] | {"Comment": "new"}
    client.update_distribution(Id=PLAIN, IfMatch=read["ETag"], DistributionConfig=config)
    assert unserved(desk) == {FUNCTION, ACL, DISABLED}


def test_its_names_are_nobody_elses(desk: Desk) -> None:
    """Else it could not be served again: a name leads to one distribution."""
    client = desk.client()
    read = client.get_distribution_config(Id=PLAIN)
    for taken in ("function.test", "*.ACL.test"):
        aliases = {"Quantity": 2, "Items": ["plain.test", taken]}
        config: dict[str, Any] = read["DistributionConfig"] | {"Aliases": aliases}
        with pytest.raises(ClientError) as error:
            client.update_distribution(Id=PLAIN, IfMatch=read["ETag"], DistributionConfig=config)
        assert code_of(error.value) == ("CNAMEAlreadyExists", 409)
        assert f'Aliases.Items[1]: "{taken}"' in str(error.value)


def test_the_file_ignores_what_is_not_supported_for_the_api_too(desk: Desk) -> None:
    ignoring = 'unsupported = "ignore"\n' + FILE
    (desk.folder / "edgecache.toml").write_text(ignoring)
    desk.catalog.publish(load(desk.folder / "edgecache.toml"))
    assert unserved(desk) == {FUNCTION}  # that is supported, and there is none of this name
    told = [*start_lines(desk.catalog.published)]
    assert len(told) == 2
    assert "WebACLId (2)" in told[-1]


def test_a_reload_does_not_take_a_distribution_that_is_served(desk: Desk) -> None:
    """At a start all others are served; while it runs, a mistake in the file changes nothing."""
    document = (desk.folder / "dist.json", desk.folder / "edgecache.toml")
    document[1].write_text(FILE + DOCUMENT)
    client = desk.client()
    config = client.get_distribution_config(Id=ACL)["DistributionConfig"]
    document[0].write_text(json.dumps(config | {"Aliases": {"Quantity": 0}}))
    before = desk.catalog.generation
    with pytest.raises(NotComposedError, match="distribution EDOC: WebACLId"):
        desk.catalog.publish(load(document[1]))
    assert desk.catalog.generation == before
    desk.state.close()
    desk.open()
    assert unserved(desk) == {FUNCTION, ACL, DISABLED, "EDOC"}


def test_check_tells_it_and_leaves_the_state_as_it_is(tmp_path: Path) -> None:
    folder = former(tmp_path)
    (folder / "edgecache.toml").write_text(FILE)
    before = (folder / "state" / "control.sqlite").read_bytes()
    found = check_report(load(folder / "edgecache.toml"))
    assert [line.split(":")[0] for line in found.problems] == [
        f"distribution {id} (made over the API)" for id in sorted((FUNCTION, DISABLED, ACL))
    ]
    assert any(f"{PLAIN} (made over the API): HttpVersion" in line for line in found.warnings)
    assert (folder / "state" / "control.sqlite").read_bytes() == before


def test_the_json_side_says_why(desk: Desk) -> None:
    site = get_distribution(RestCall(desk.world, {"id": FUNCTION}, {}))
    assert '"auth" is not a live function' in site.unavailable[0]
    assert get_distribution(RestCall(desk.world, {"id": PLAIN}, {})).unavailable == []
