"""A folder of what was imported: whole, loadable, and the same a second time; or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.config.load import load
from edgecache.control.migration.folder import FolderSettings, write_folder
from edgecache.control.migration.resource_documents import MigrationError, ResourceDocuments
from edgecache.control.migration.template import read_template, read_template_file

TEMPLATES = Path(__file__).parents[2] / "templates"
PARAMETERS = {"AWS::Region": "eu-west-2"}
BUCKET = {"SiteE53D7754.RegionalDomainName": "site.s3.eu-west-2.amazonaws.com"}
WHOLE = FolderSettings()
WITHOUT = FolderSettings(ignore_unsupported=True)
STACKS = {  # the values that only AWS knows, and what the file says
    "static-site": (BUCKET, {}, WHOLE),
    "single-page-application": ({}, {}, WHOLE),
    "access-identity": ({}, {}, WHOLE),
    "api-with-cache-policy": ({}, {}, WHOLE),
    "signed-cookies": ({}, {}, WHOLE),
    "functions": ({}, {}, WHOLE),
    "key-value-store": ({}, {}, WHOLE),
    "edge-lambda": ({}, {}, WHOLE),
    "failover": ({}, {}, WHOLE),
    "several-behaviors": ({}, {}, WHOLE),
    "web-distribution": ({}, {}, WHOLE),
    "parameters": ({}, {"OriginHost": "web.example.test"}, WHOLE),
    "web-acl-and-log": ({}, {}, WITHOUT),
}


def documents(name: str) -> ResourceDocuments:
    values, parameters, _ = STACKS[name]
    template = read_template_file((TEMPLATES / f"{name}.json").read_text(), name)
    return read_template(template, name, parameters=PARAMETERS | parameters, attributes=values)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_is_a_folder_and_a_second_import_changes_nothing(name: str, tmp_path: Path) -> None:
    folder, settings = tmp_path / "site", STACKS[name][2]
    change = write_folder(documents(name), folder, settings, replace=False)
    written = bytes_of(folder)
    assert len(change.new) == len(written)
    assert len(load(folder / "edgecache.toml").distributions) == 1
    again = write_folder(documents(name), folder, settings, replace=False)
    assert (again.new, again.changed) == ([], [])
    assert bytes_of(folder) == written
    assert [one.name for one in tmp_path.iterdir()] == ["site"]


def test_every_template_is_imported_or_named() -> None:
    names = {one.stem for one in TEMPLATES.glob("*.json")}
    assert names == STACKS.keys()
    assert len(names) >= 10


def test_what_is_not_done_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(MigrationError) as error:
        write_folder(documents("web-acl-and-log"), tmp_path / "site", WHOLE, replace=False)
    assert "WebACLId" in str(error.value)
    assert "GeoRestriction" in str(error.value)
    assert [*tmp_path.iterdir()] == []


def test_a_folder_that_differs_is_replaced_when_that_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    write_folder(documents("failover"), folder, WHOLE, replace=False)
    before = bytes_of(folder)
    (folder / "own.txt").write_text("mine")
    (folder / "edgecache.toml").write_text("changed")
    with pytest.raises(MigrationError, match=r"differs \(edgecache.toml"):
        write_folder(documents("failover"), folder, WHOLE, replace=False)
    assert (folder / "edgecache.toml").read_text() == "changed"
    change = write_folder(documents("failover"), folder, WHOLE, replace=True)
    assert (change.new, change.changed) == ([], ["edgecache.toml"])
    assert (folder / "own.txt").read_text() == "mine"
    assert {name: data for name, data in bytes_of(folder).items() if name in before} == before


def test_a_secret_that_is_missing_is_to_do(tmp_path: Path) -> None:
    change = write_folder(documents("static-site"), tmp_path / "site", WHOLE, replace=False)
    assert len(change.to_do) == 1
    assert "edgecache keys store" in change.to_do[0]


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    found = documents("functions")
    text = (TEMPLATES / "functions.json").read_text().replace('"rewrite"', '"../../rewrite"')
    found = read_template(read_template_file(text, "x"), "x", parameters={}, attributes={})
    with pytest.raises(MigrationError, match="rewrite"):  # no name of a function
        write_folder(found, tmp_path / "a" / "b" / "site", WHOLE, replace=False)
    assert not [*tmp_path.rglob("*.js")]
