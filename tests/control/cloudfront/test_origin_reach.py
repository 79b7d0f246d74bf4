"""What the API's origins may not be: refused when written, and marked for nodes in what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecache.cli.check import check_report
from edgecache.config.load import load
from edgecache.control.cloudfront.origin_reach import unreachable_origins
from edgecache.control.state.catalog import NotAdoptedError, adopt
from edgecache.control.state.resources import ResourceKind
from tests.control.api.asking import created, names, origin, refused, served
from tests.control.cloudfront.desk import Desk, open_desk

ALLOWS = "allow_private_origins = true\n"
INSIDE = ("127.0.0.1", "127.1.2.3", "localhost", "app.localhost", "10.0.0.1", "192.168.1.1",
          "[::1]", "[fd12::1]", "[::ffff:127.0.0.1]")  # fmt: skip
NOBODYS = ("169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]")


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Desk]:
    """A control plane whose file allows nothing private."""
    with open_desk(tmp_path) as made:
        _allows(made, False)
        yield made


def _allows(desk: Desk, yes: bool) -> None:
    file = desk.file if yes else desk.file.replace(ALLOWS, "")
    (desk.folder / "edgecache.toml").write_text(file)
    desk.open()


@pytest.mark.parametrize("domain", [*INSIDE, *NOBODYS, "unix:/run/app.sock"])
def test_the_api_does_not_reach_inside(domain: str, strict: Desk) -> None:
    more = origin(DomainName=domain)
    said = "allow_private_origins" if domain in INSIDE else "Origins.Items[0].DomainName"
    client = strict.client(validated=False)
    refused(lambda: created(client, **more), code="InvalidOrigin", status=400, said=said)
    public = created(client, **origin(DomainName="origin.example"))
    config = public["Distribution"]["DistributionConfig"]
    moved = config | origin(DomainName=domain)
    refused(
        lambda: client.update_distribution(
            Id=public["Distribution"]["Id"], IfMatch=public["ETag"], DistributionConfig=moved
        ),
        code="InvalidOrigin", status=400, said=said,
    )  # fmt: skip


@pytest.mark.parametrize("domain", [*NOBODYS, "unix:/run/app.sock"])
def test_some_are_nobodys(domain: str, desk: Desk) -> None:
    client = desk.client(validated=False)
    refused(
        lambda: created(client, **origin(DomainName=domain)),
        code="InvalidOrigin", status=400, said=domain.strip("["),
    )  # fmt: skip


@pytest.mark.parametrize("domain", INSIDE)
def test_the_file_may_allow_the_others(domain: str, desk: Desk) -> None:
    created(desk.client(validated=False), **origin(DomainName=domain))


@pytest.mark.parametrize(("port", "whose"), [(8090, "control's"), (8080, "the viewers'")])
def test_our_own_listeners_are_nobodys(port: int, whose: str, desk: Desk) -> None:
    custom: dict[str, Any] = {"HTTPPort": port, "HTTPSPort": 443,
                              "OriginProtocolPolicy": "http-only"}  # fmt: skip
    refused(
        lambda: created(desk.client(), **origin(CustomOriginConfig=custom)),
        code="InvalidOrigin", status=400, said="an address of our own",
    )  # fmt: skip


def test_what_was_made_before_is_judged_by_the_nodes(desk: Desk) -> None:
    id = created(desk.client())["Distribution"]["Id"]
    adopt(desk.catalog, "EFILE")
    assert served(desk)[id]["origins"][0].get("reach", "private") == "private"
    _allows(desk, False)
    assert served(desk)[id]["origins"][0]["reach"] == "public"
    assert served(desk)["EFILE"]["origins"][0]["reach"] == "public"


def test_what_was_made_before_is_told(desk: Desk) -> None:
    id = created(desk.client())["Distribution"]["Id"]
    adopt(desk.catalog, "EFILE")
    assert check_report(load(desk.folder / "edgecache.toml")).problems == ()
    _allows(desk, False)
    told = check_report(load(desk.folder / "edgecache.toml")).problems
    assert [line.split(":")[0] for line in told] == [
        f"distribution {one} (made over the API)" for one in sorted((id, "EFILE"))
    ]
    for line in told:
        assert 'Origins.Items[0].DomainName: "127.0.0.1" is a loopback address' in line
        assert "allow_private_origins" in line
    catalog = desk.catalog
    known = catalog.of(ResourceKind.DISTRIBUTION)
    assert [*unreachable_origins(known, catalog.published, catalog.file)] == [*told]


def test_what_the_api_may_not_have_is_not_adopted(strict: Desk) -> None:
    with pytest.raises(NotAdoptedError, match="allow_private_origins"):
        adopt(strict.catalog, "EFILE")
    assert served(strict)["EFILE"]["origins"][0].get("reach", "private") == "private"


def test_every_name_is_nobodys_alias(desk: Desk) -> None:
    refused(
        lambda: created(desk.client(), Aliases=names("*")),
        code="InvalidArgument", status=400, said="Aliases",
    )  # fmt: skip
