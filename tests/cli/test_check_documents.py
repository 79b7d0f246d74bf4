"""What `edgecache check` says of CloudFront's documents: file, line and column in each of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from edgecache.cli.check import check_file
from edgecache.config.load import load
from edgecache.config.problems import ConfigError

MACHINE = """state_dir = "state"
control = { listen = "127.0.0.1:8090" }
locations = [{ name = "LHR50", listen = "127.0.0.1:8080" }]
"""
DISTRIBUTIONS = """
[[distributions]]
id = "E1"
file = "d.json"
"""
DOCUMENT = """{
  "CallerReference": "a", "Comment": "", "Enabled": true,
  "Origins": {"Quantity": 2, "Items": [
    {"Id": "web", "DomainName": "www.example.org", "CustomOriginConfig": {
      "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}},
    {
      "Id": "second", "DomainName": "second.example.org", "CustomOriginConfig": {
        "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}}
  ]},
  "CacheBehaviors": {"Quantity": 1, "Items": [
    {"PathPattern": "/a/*", "TargetOriginId": "second", "ViewerProtocolPolicy": "allow-all",
     "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}]},
  "DefaultCacheBehavior": {
    "TargetOriginId": "web", "ViewerProtocolPolicy": "allow-all",
    "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}
}
"""
D = "distributions[0](d.json)"


def told(tmp_path: Path, capsys: pytest.CaptureFixture[str], document: str) -> list[str]:
    """Problems and warnings of a file that names the document."""
    path = tmp_path / "edgecache.toml"
    path.write_text(MACHINE + DISTRIBUTIONS)
    (tmp_path / "d.json").write_text(document)
    with pytest.raises(typer.Exit):
        check_file(path, files=False, as_json=True)
    report = json.loads(capsys.readouterr().out)
    return [*report["problems"], *(f"warning: {one}" for one in report["warnings"])]


def test_the_document_itself_has_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(tmp_path, capsys, DOCUMENT) == []


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ('"Enabled": true', '"Enabled": "yes"',
         [f'd.json:2:42: {D}.Enabled: expected true or false, got "yes"']),
        (', "Enabled": true', "", [f"d.json:1:1: {D}.Enabled: missing"]),
        ('"second.example.org"', "12",
         [f"d.json:7:23: {D}.Origins.Items[1].DomainName: expected text, got 12"]),
        ('"DomainName": "second.example.org", ', "",
         [f"d.json:6:5: {D}.Origins.Items[1].DomainName: missing"]),
        ('"Quantity": 2', '"Quantity": 3',
         [f"d.json:3:15: {D}.Origins.Quantity: 3, but there are 2 items"]),
        ('"Id": "second", ', '"Id": "second", "Color": "red", ',
         ["warning: d.json:7:23: distributions[0](E1).Origins.Items[1].Color: not supported:"
          " there is no such member"]),
        ('"PathPattern": "/a/*"', '"PathPattern": "/a/*", "Color": 1',
         ["warning: d.json:11:29: distributions[0](E1).CacheBehaviors.Items[0].Color:"
          " not supported: there is no such member"]),
        ('"Comment": ""', '"Comment": "", "PriceClass": "PriceClass_100"',
         ["warning: d.json:2:42: distributions[0](E1).PriceClass: not supported:"
          " every location serves"]),
        ('"Comment": ""', '"Comment": "", "WebACLId": "x"',
         ["d.json:2:42: distributions[0](E1).WebACLId: not supported: requests are not filtered"]),
        ('"Comment": ""', '"Comment": "",, ',
         ['d.json:2:41: distributions[0].file: "d.json" is not JSON: Expecting property name'
          " enclosed in double quotes"]),
        ("}\n", "",
         ['d.json:16:1: distributions[0].file: "d.json" is not JSON: Expecting \',\' delimiter']),
    ],
)  # fmt: skip
def test_each_place_is_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    before: str,
    after: str,
    lines: list[str],
) -> None:
    first, found_one, last = DOCUMENT.rpartition(before)
    assert found_one
    text = first + after + last
    found = told(tmp_path, capsys, text)
    assert [line for line in found if "answers 503" not in line] == lines


def test_documents_of_conf_d_and_of_policies(tmp_path: Path) -> None:
    """Names are relative to the main file, which those beside it name as well."""
    (tmp_path / "conf.d").mkdir()
    policy = '{\n "Name": "p", "MinTTL": "x"}\n'
    (tmp_path / "p.json").write_text(policy)
    (tmp_path / "edgecache.toml").write_text(MACHINE + '[[cache_policies]]\nfile = "p.json"\n')
    (tmp_path / "conf.d" / "a.toml").write_text(DISTRIBUTIONS)
    (tmp_path / "d.json").write_text(DOCUMENT.replace("true", "1"))
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "edgecache.toml")
    shown = [one.shown for one in caught.value.problems]
    assert f"d.json:2:42: {D}.Enabled: expected true or false, got 1" in shown
    assert any(one.startswith("p.json:2:15: cache_policies[0](p.json).MinTTL: ") for one in shown)
