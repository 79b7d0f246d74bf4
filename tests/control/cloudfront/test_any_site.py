"""Distributions changed at random: refused in form, or nodes can serve them."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgecache.cluster.log_entries import LogEntryKind as EntryKind
from edgecache.config.aws.defaults import with_defaults
from edgecache.config.model import Config
from edgecache.control.cloudfront.context import OperationContext
from edgecache.control.cloudfront.distributions import create
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.model import api
from edgecache.control.cloudfront.response_writer import write_answer
from edgecache.control.cloudfront.validation import validate
from edgecache.control.state.resources import ResourceKind
from edgecache.rules.routing import compile_routes
from tests.control.cloudfront.desk import OPTIMIZED, Desk, open_desk, site

OPERATION = api().operations["CreateDistribution"]
CHANGES = 60  # for each seed; some three in seven are accepted
TEXTS = ["", "x", "web", "/a", "*", "é", "\n", "a" * 300, "127.0.0.1", "team", OPTIMIZED, "200"]
TEXTS += ["origin-access-identity/cloudfront/E1", "*.a.test", "../..", "?", "%", "GET", "X-A"]
NUMBERS = [0, 1, -1, 3, 10, 404, 2**31, 2**63 - 1]


def places(shape: Any, value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, str, Any]]:
    """Every member there is or could be, with the way to what it stands in."""
    if shape.type_name == "structure":
        for name, one in shape.members.items():
            yield path, name, one
            if name in value:
                yield from places(one, value[name], (*path, name))
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from places(shape.member, item, (*path, index))


def anything(shape: Any, chance: random.Random) -> Any:
    """A value of a shape, of the kind that people get wrong."""
    if shape.type_name == "structure":
        made = {
            name: anything(one, chance)
            for name, one in shape.members.items()
            if name in shape.required_members or chance.random() < 0.5
        }
        return made | ({"Quantity": len(made.get("Items", ()))} if "Quantity" in made else {})
    if shape.type_name == "list":
        count = max(int(shape.metadata.get("min", 0)), chance.choice((0, 1, 2)))
        return [anything(shape.member, chance) for _ in range(count)]
    if shape.type_name == "string":
        return chance.choice(shape.enum or TEXTS)
    return {"boolean": chance.random() < 0.5, "integer": chance.choice(NUMBERS)}.get(
        shape.type_name, chance.choice(NUMBERS)
    )


def changed(document: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """The document with one to three members that are something else."""
    result = copy.deepcopy(document)
    shape = OPERATION.takes.members["DistributionConfig"]
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        path, name, one = chance.choice(list(places(shape, result)))
        held: Any = result
        for step in path:
            held = held[step]
        held[name] = anything(one, chance)
        if name == "Items" and "Quantity" in held:
            held["Quantity"] = len(held["Items"])
    return result


def accepted(desk: Desk, document: dict[str, Any]) -> bool:
    """Whether it was; then nodes can serve it, a client can read it, and it is gone again."""
    before = desk.log.last_seq
    try:
        given = {"DistributionConfig": document}
        validate(OPERATION.takes, given)
        made = create(OperationContext(desk.world, given))
    except ApiError as fault:
        refused = fault
    else:
        serve(desk, made)
        return True
    assert refused.code in api().statuses
    assert desk.log.last_seq == before
    return False


def serve(desk: Desk, made: dict[str, Any]) -> None:
    newest = desk.log.newest(EntryKind.CONFIG)
    assert newest is not None
    compile_routes(msgspec.convert(newest.body, Config))
    assert write_answer(OPERATION, made).body
    with desk.catalog.changing():
        desk.catalog.remove(ResourceKind.DISTRIBUTION, made["Distribution"]["Id"])


@pytest.mark.parametrize("seed", range(4))
def test_a_site_changed_at_random(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    behavior = site("")["DefaultCacheBehavior"] | {"PathPattern": "/a/*"}
    start = with_defaults(
        site("", CacheBehaviors={"Quantity": 1, "Items": [behavior]},
             CustomErrorResponses={"Quantity": 1, "Items": [{"ErrorCode": 404}]})
    )  # fmt: skip
    with open_desk(tmp_path) as desk:
        answers = [
            accepted(desk, changed(start, chance) | {"CallerReference": str(number)})
            for number in range(CHANGES)
        ]
    assert 0 < sum(answers) < CHANGES
