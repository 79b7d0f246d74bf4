"""Pages of docs/reference/ are what their generators make, and nothing is without a line."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from edgecache import __version__
from edgecache.cli.main import app
from edgecache.cli.manual import man_pages, pages
from edgecache.config.decode import Decoder
from edgecache.config.json_schema import configuration_schema
from edgecache.config.model import Config, Model
from edgecache.config.problems import Problems
from edgecache.config.reference import field_meanings, file_fields, inner_models, models
from edgecache.observe.log_record import FIELDS, JSON_FIELDS
from edgecache.observe.realtime_log import REALTIME_FIELDS
from tests.reference.aws_names import EXCEPTIONS, SHAPES, is_member, shapes
from tests.reference.configuration import documented, example_of
from tests.reference.log_fields import MEANINGS
from tests.reference.pages import FOLDER, PAGES
from tests.reference.releases import LATER, first_fields

ROOT = FOLDER.parents[1]
SCHEMA = configuration_schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
SAMPLES = sorted(
    path
    for folder in ("config", "examples", "deploy")
    for path in (ROOT / folder).rglob("*.toml")
    if "bucket" not in path.parts
)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_its_generator_makes(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), "python -m tests.reference makes it anew"


def test_no_page_is_without_a_generator() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {*PAGES}


def test_every_field_has_a_meaning_and_every_meaning_a_field() -> None:
    said = {(model, name) for model, fields in field_meanings().items() for name in fields}
    assert said == {*documented()}


def test_every_meaning_is_a_sentence() -> None:
    for model, fields in field_meanings().items():
        for name, (text, _) in fields.items():
            assert text[:1] in "`" or text[:1].isupper(), f"{model}.{name}"
            assert text.endswith("."), f"{model}.{name}"


def test_every_field_says_since_when() -> None:
    """Fields of 0.1.0 are written down once; what comes later has a row in LATER."""
    known = {*documented()}
    assert not first_fields() & set(LATER)
    assert known <= first_fields() | set(LATER), "new fields: add them to LATER"
    assert set(LATER.values()) <= {__version__, *_released()}


def _released() -> set[str]:
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    return {line.split()[1].strip("[]") for line in lines if line.startswith("## ")}


def every_field() -> Iterator[tuple[type[Model], Any]]:
    for model in models():
        for field in file_fields(model):
            if not any(inner_models(field.type)):
                yield model, field


def test_every_example_can_be_read_and_the_schema_takes_it() -> None:
    meanings = field_meanings()
    for model, field in every_field():
        example = example_of(model, field, meanings[model.__name__][field.name])
        problems = Problems()
        Decoder(problems).overlay(_any(model), {field.encode_name: example}, "")
        assert not problems.found, [*map(str, problems.found)]
        property_ = _properties(model)[field.encode_name]
        assert not [*_errors(property_, example)], f"{model.__name__}.{field.name}"


def test_what_the_loader_does_not_take_the_schema_does_not_take() -> None:
    """Of each field: a value of a wrong type, and a number on either side of its bounds."""
    refused = 0
    for model, field in every_field():
        property_, blank = _properties(model)[field.encode_name], _any(model)
        for wrong in ({"no": [1]}, -1, 10**18, "no number or word"):
            problems = Problems()
            Decoder(problems).overlay(blank, {field.encode_name: wrong}, "")
            taken = not [*_errors(property_, wrong)]
            assert taken is not bool(problems.found), (model.__name__, field.name, wrong)
            refused += not taken
    assert refused > 500


def _any(model: type[Model]) -> Model:
    return Decoder(Problems()).read(model, {}, "")


def _properties(model: type[Model]) -> dict[str, Any]:
    where = SCHEMA if model is Config else SCHEMA["definitions"][model.__name__]
    found: dict[str, Any] = where["properties"]
    return found


def _errors(part: dict[str, Any], value: object) -> Iterator[Any]:
    found: Iterator[Any] = VALIDATOR.evolve(schema=part).iter_errors(value)
    return found


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_check_prints_the_schema() -> None:
    result = CliRunner().invoke(app, ["check", "--schema"], prog_name="edgecache")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == SCHEMA


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_schema_takes_the_samples(path: Path) -> None:
    found = _validated(tomllib.loads(path.read_text()))
    assert not found, found


def _validated(table: dict[str, Any]) -> list[str]:
    return [f"{one.json_path}: {one.message}" for one in VALIDATOR.iter_errors(table)]


BROKEN: dict[str, Any] = {
    "a table's name": lambda t: t.update(distribution=t.pop("distributions")),
    "a key": lambda t: t["control"].update(lisen="127.0.0.1:8090"),
    "a word": lambda t: t["regional"].update(when_down="sometimes"),
    "a port": lambda t: t["distributions"][0]["origins"][0].update(http_port=70_000),
    "a port as text": lambda t: t["distributions"][0]["origins"][0].update(http_port="80"),
    "a time": lambda t: t["limits"].update(idle_s_max="soon"),
    "a size": lambda t: t["regional"].update(memory_bytes="256 M"),
    "a list": lambda t: t["distributions"][0].update(aliases="www.example.org"),
    "what is required": lambda t: t["locations"][0].pop("name"),
    "no default behavior": lambda t: t["distributions"][0].pop("default_behavior"),
    "AWS's word": lambda t: t["cache_policies"][0].update(DefaultTTL=5),
    "a key elsewhere": lambda t: t["locations"][0].update(certificate_file="site.pem"),
    "beside a file": lambda t: t["distributions"][0].update(file="dist.json"),
    "control's own": lambda t: t.update(revoked_nodes=["LHR50/1"]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_schema_refuses(name: str) -> None:
    table = tomllib.loads((ROOT / "config/demo.toml").read_text())
    table["limits"] = {"idle_s_max": "75s"}
    assert not _validated(copy.deepcopy(table))
    BROKEN[name](table)
    assert _validated(table)


def test_aws_names_are_members_of_its_model() -> None:
    known = {name for _, name in documented()}
    for (model, name), path in EXCEPTIONS.items():
        assert not path or is_member(SHAPES[model], path), (model, name, path)
        assert name in known or not path
    assert set(SHAPES.values()) <= set(shapes())


def test_every_option_and_argument_has_a_sentence() -> None:
    every = pages(app)
    assert len(every) > 80
    for page in every:
        assert page.text.endswith("."), page.name
        assert page.commands or page.examples, f"{page.name}: no example"
        for one in page.parameters:
            assert one.help, f"{page.name} {one.spelling}"


def test_man_pages_are_written_for_every_command(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["man", str(tmp_path)], prog_name="edgecache")
    assert result.exit_code == 0, result.output
    written = {path.name: path.read_text() for path in (tmp_path / "man1").iterdir()}
    assert written == man_pages(app)
    assert written["edgecache-keys-generate.1"].startswith('.TH "EDGECACHE-KEYS-GENERATE" 1')
    for text in written.values():
        assert text.isascii()


def test_every_log_field_has_a_meaning() -> None:
    assert {*FIELDS.split(), *JSON_FIELDS, *REALTIME_FIELDS} <= set(MEANINGS)
