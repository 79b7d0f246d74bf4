"""Distributions of the file that the API takes over, deletes, and gives back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from edgecache.config.load import load
from edgecache.config.model import CachePolicy, Distribution
from edgecache.control.state.catalog import (
    NotAdoptedError,
    adopt,
    give_back,
)
from edgecache.control.state.compose import NotComposedError
from tests.control.api.asking import refused, served
from tests.control.cloudfront.desk import FILE, Desk, open_desk, site
from tests.rules.private.signers import RSA


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as made:
        yield made


def text(*without: str) -> str:
    """The file, without some of its lines."""
    whole = FILE.format(pem=RSA.public_pem)
    for line in without:
        assert line in whole
        whole = whole.replace(line, "")
    return whole


def reload(desk: Desk, file: str) -> None:
    path = desk.folder / "edgecache.toml"
    path.write_text(file)
    desk.catalog.publish(load(path))


def test_adopted_it_keeps_timeouts_that_only_a_file_can_say(desk: Desk) -> None:
    """The API takes no such timeout, and gives back what was there."""
    client = desk.client()
    given = 'access = "identity" }'
    wider = 'access = "identity", read_timeout_s = 600, keepalive_timeout_s = 0.5 }'
    reload(desk, text().replace(given, wider))
    adopt(desk.catalog, "EFILE")
    read = client.get_distribution_config(Id="EFILE")
    config = read["DistributionConfig"] | {"Comment": "changed"}
    changed = client.update_distribution(
        Id="EFILE", IfMatch=read["ETag"], DistributionConfig=config
    )
    origin = served(desk)["EFILE"]["origins"][0]
    assert (origin["read_timeout_s"], origin["keepalive_timeout_s"]) == (600, 0.5)
    config["Origins"]["Items"][0]["CustomOriginConfig"]["OriginReadTimeout"] = 601
    refused(
        lambda: client.update_distribution(
            Id="EFILE", IfMatch=changed["ETag"], DistributionConfig=config
        ),
        code="InvalidOriginReadTimeout",
        status=400,
    )


def test_adopted_it_serves_as_it_did_and_the_api_changes_it(desk: Desk) -> None:
    client = desk.client()
    before = msgspec.convert(served(desk)["EFILE"], Distribution)
    adopt(desk.catalog, "EFILE")
    after = msgspec.convert(served(desk)["EFILE"], Distribution)
    names = Distribution.__struct_fields__
    changed = {name for name in names if getattr(before, name) != getattr(after, name)}
    assert changed <= {"caller_reference", "default_behavior"}
    policies = [one.default_behavior.cache_policy for one in (before, after)]
    assert len({replace(one, id="") for one in policies if isinstance(one, CachePolicy)}) == 1
    read = client.get_distribution_config(Id="EFILE")
    config = read["DistributionConfig"] | {"Comment": "changed"}
    client.update_distribution(Id="EFILE", IfMatch=read["ETag"], DistributionConfig=config)
    served_now = served(desk)["EFILE"]
    assert served_now["comment"] == "changed"
    assert served_now["origins"][0]["access"] == "identity"  # which no member of CloudFront's says
    assert served_now["tags"] == {"from": "file"}


PRIVATE = """
[[distributions.behaviors]]
path_pattern = "/private/*"
origin = "o"
access_list = { rules = [{ number = 1, action = "allow", sources = ["192.0.2.0/24"] }] }
"""


def test_adopted_it_keeps_access_lists_and_none_is_lost_with_its_behavior(desk: Desk) -> None:
    client = desk.client()
    reload(desk, text() + PRIVATE)
    adopt(desk.catalog, "EFILE")
    listed = served(desk)["EFILE"]["behaviors"][0]["access_list"]
    read = client.get_distribution_config(Id="EFILE")
    config = read["DistributionConfig"] | {"Comment": "changed"}
    config["CacheBehaviors"]["Items"][0]["Compress"] = True
    changed = client.update_distribution(
        Id="EFILE", IfMatch=read["ETag"], DistributionConfig=config
    )
    behavior = served(desk)["EFILE"]["behaviors"][0]
    assert (behavior["access_list"], behavior["compress"]) == (listed, True)
    renamed = [config["CacheBehaviors"]["Items"][0] | {"PathPattern": "/secret/*"}]
    for items in ({"Quantity": 1, "Items": renamed}, {"Quantity": 0}):
        refused(
            lambda items=items: client.update_distribution(
                Id="EFILE",
                IfMatch=changed["ETag"],
                DistributionConfig=config | {"CacheBehaviors": items},
            ),
            code="IllegalUpdate",
            status=400,
        )
    assert served(desk)["EFILE"]["behaviors"][0]["access_list"] == listed


def test_it_outlives_the_files_table_and_policy(desk: Desk) -> None:
    adopt(desk.catalog, "EFILE")
    whole = text()
    begin = whole.index("[[distributions]]")
    other = whole[begin:].replace("EFILE", "EOTHER").replace("file.test", "other.test")
    other = other.replace(', cache_policy = "short"', "")
    policy = '[[cache_policies]]\nname = "short"\nttl_s_default = 5\n'
    reload(desk, whole[:begin].replace(policy, "") + other)
    assert served(desk).keys() == {"EFILE", "EOTHER"}
    assert served(desk)["EFILE"]["default_behavior"]["cache_policy"]["ttl_s_default"] == 5


def test_deleted_it_does_not_come_back_with_the_file(desk: Desk) -> None:
    client = desk.client()
    client.create_distribution(DistributionConfig=site("other"))
    adopt(desk.catalog, "EFILE")
    read = client.get_distribution_config(Id="EFILE")
    off = read["DistributionConfig"] | {"Enabled": False}
    etag = client.update_distribution(Id="EFILE", IfMatch=read["ETag"], DistributionConfig=off)
    client.delete_distribution(Id="EFILE", IfMatch=etag["ETag"])
    reload(desk, text() + "\n# changed")
    assert "EFILE" not in served(desk)
    desk.state.close()
    desk.open()
    assert "EFILE" not in served(desk)
    give_back(desk.catalog, "EFILE")
    assert served(desk)["EFILE"].get("enabled", True) is True


def test_given_back_the_file_says_again_what_it_is(desk: Desk) -> None:
    client = desk.client()
    before = served(desk)["EFILE"]
    adopt(desk.catalog, "EFILE")
    give_back(desk.catalog, "EFILE")
    assert served(desk)["EFILE"] == before
    assert client.get_distribution(Id="EFILE")["Distribution"]["Id"] == "EFILE"


def test_what_cannot_be_adopted_or_given_back(desk: Desk) -> None:
    made = desk.client().create_distribution(DistributionConfig=site("other"))
    for id, why in (("ENOBODY", "no distribution"), (made["Distribution"]["Id"], "already")):
        with pytest.raises(NotAdoptedError, match=why):
            adopt(desk.catalog, id)
    for id, why in (("ENOBODY", "declares no"), ("EFILE", "not adopted")):
        with pytest.raises(NotAdoptedError, match=why):
            give_back(desk.catalog, id)


def test_a_file_that_takes_a_name_of_the_apis_changes_nothing(desk: Desk) -> None:
    client = desk.client()
    aliases = {"Quantity": 1, "Items": ["mine.test"]}
    id = client.create_distribution(DistributionConfig=site("mine", Aliases=aliases))[
        "Distribution"
    ]["Id"]
    before = desk.log.last_seq
    taking: Any = text().replace('"file.test"', '"file.test", "MINE.test"')
    with pytest.raises(NotComposedError) as refused:
        reload(desk, taking)
    (line,) = refused.value.lines
    assert line.startswith(f"distribution {id} (made over the API): aliases[0]: ")
    assert "already" in line
    assert desk.log.last_seq == before
    assert desk.catalog.file.distributions[0].aliases == ("file.test",)
