"""A configuration and its changes are the configuration that they were made for, also as text."""

from __future__ import annotations

import random

import msgspec
import pytest

from edgecache.cluster.configuration_change import (
    ConfigurationChange,
    ConfigurationText,
    TextChange,
)
from edgecache.config.functions import FunctionConfig
from edgecache.config.model import Behavior, Config, Distribution, Origin

ORIGIN = Origin(id="o", domain_name="o.test")


def site(id: str, comment: str = "") -> Distribution:
    behavior = Behavior(origin="o")
    return Distribution(id=id, comment=comment, origins=(ORIGIN,), default_behavior=behavior)


def text_of(config: Config) -> bytes:
    return msgspec.json.encode(config)


def change_between(base: int, before: Config, after: Config) -> ConfigurationChange:
    held = {one.id: one for one in before.distributions}
    now = {one.id: one for one in after.distributions}
    put = [(n, one) for n, one in enumerate(after.distributions) if held.get(one.id) != one]
    gone = [id for id, one in held.items() if now.get(id) != one]
    functions = None if before.functions == after.functions else after.functions
    return ConfigurationChange(base, tuple(gone), tuple(put), functions)


@pytest.mark.parametrize("seed", range(5))
def test_changes_lead_to_what_they_were_made_for(seed: int) -> None:
    draw = random.Random(seed)
    config = Config(brand="x", distributions=(site("E0"),))
    text = ConfigurationText(text_of(config))
    for seq in range(40):
        ids = sorted(draw.sample("ABCDEFGH", draw.randrange(9)))
        functions = tuple(FunctionConfig(name=n, code="x") for n in "fg"[: draw.randrange(3)])
        sites = tuple(site(f"E{id}", draw.choice("ab")) for id in ids)
        wanted = Config(brand="x", distributions=sites, functions=functions)
        sent = msgspec.json.encode(change_between(seq, config, wanted))
        config = msgspec.json.decode(sent, type=ConfigurationChange).applied(config)
        text.apply(msgspec.json.decode(sent, type=TextChange))
        assert config == wanted
        assert text.text == text_of(wanted)


def test_members_that_are_not_known_stay_in_the_text() -> None:
    text = ConfigurationText(b'{"brand":"x","of_a_later_release":[1,{"a":2}]}')
    put = msgspec.Raw(text_of(Config(distributions=(site("E1"),))))
    text.apply(TextChange(1, (), ((0, msgspec.Raw(msgspec.json.encode(site("E1")))),)))
    assert b'"of_a_later_release":[1,{"a":2}]' in text.text
    assert bytes(put)[1:-1] in text.text


def test_what_is_not_there_cannot_leave() -> None:
    change = ConfigurationChange(1, gone=("E2",))
    with pytest.raises(ValueError, match="E2"):
        change.applied(Config(distributions=(site("E1"),)))
    with pytest.raises(ValueError, match="E2"):
        ConfigurationText(b"{}").apply(TextChange(1, gone=("E2",)))
