"""Two controls on one database: what one is told counts at the other, once and in one order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError
from msgspec.structs import replace

from edgecache.control.rest.drain import DrainedNodes
from edgecache.control.state.database import StateBusyError
from edgecache.control.state.postgresql import PostgresDatabase
from edgecache.control.state.resources import ResourceKind
from tests.control.api.asking import created, refused
from tests.control.cloudfront.desk import LOCATION_ALONE, Desk, botocores_clock, code_of, site
from tests.control.conftest import postgres_state
from tests.world.postgresql import TEMPLATE, PostgresServer

ROUNDS = 5
Pair = tuple[Desk, Desk]


@pytest.fixture
def desks(postgresql: PostgresServer, tmp_path: Path) -> Iterator[Pair]:
    dsn = postgresql.new_database(TEMPLATE)

    def desk(name: str, first: int) -> Desk:
        folder = tmp_path / name
        folder.mkdir()
        return Desk(folder, LOCATION_ALONE, opens=lambda: postgres_state(dsn), first=first)

    both = desk("a", 1), desk("b", 1_000_000)
    with botocores_clock(both[0].now):
        yield both
    for one in both:
        one.state.close()


def ids_of(desk: Desk) -> list[str]:
    return [one.id for one in desk.catalog.of(ResourceKind.DISTRIBUTION)]


def at_once(first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    """What became of two calls that begin together: an answer, or why it was refused."""
    together = threading.Barrier(2)

    def called(work: Callable[[], Any]) -> Any:
        together.wait()
        try:
            return work()
        except ClientError as error:
            return code_of(error)

    with ThreadPoolExecutor(2) as pool:
        return [*pool.map(called, (first, second))]


def test_what_is_made_at_one_is_there_at_the_other(desks: Pair) -> None:
    made = created(desks[0].client())
    id = made["Distribution"]["Id"]
    client = desks[1].client()
    known = client.get_distribution_config(Id=id)
    assert known["ETag"] == made["ETag"]
    off = known["DistributionConfig"] | {"Enabled": False}
    client.update_distribution(Id=id, IfMatch=made["ETag"], DistributionConfig=off)
    with desks[0].state.writing():  # whoever is to write has read all before
        (published,) = desks[0].catalog.published.distributions
        assert not published.enabled
        assert desks[0].log.live.generation == desks[1].log.live.generation
    refused(
        lambda: (
            desks[0]
            .client()
            .update_distribution(Id=id, IfMatch=made["ETag"], DistributionConfig=off)
        ),
        code="PreconditionFailed",
        status=412,
    )


def test_of_two_changes_of_one_version_one_is_accepted(desks: Pair) -> None:
    made = created(desks[0].client())
    id, etag = made["Distribution"]["Id"], made["ETag"]
    config = made["Distribution"]["DistributionConfig"]
    clients = [desk.client() for desk in desks]
    for turn in range(ROUNDS):
        done = at_once(
            *(
                lambda client=client, config=config | {"Comment": f"{turn} {name}"}, etag=etag: (
                    client.update_distribution(Id=id, IfMatch=etag, DistributionConfig=config)
                )
                for name, client in zip("ab", clients, strict=True)
            )
        )
        (accepted,) = [one for one in done if isinstance(one, dict)]
        assert ("PreconditionFailed", 412) in done
        etag = accepted["ETag"]
        assert clients[0].get_distribution(Id=id)["ETag"] == etag


def test_one_reference_is_one_distribution_and_one_invalidation(desks: Pair) -> None:
    clients = [desk.client() for desk in desks]
    for turn in range(ROUNDS):
        made = at_once(
            *(
                lambda client=client, turn=turn: client.create_distribution(
                    DistributionConfig=site(f"r{turn}")
                )
                for client in clients
            )
        )
        (id,) = {one["Distribution"]["Id"] for one in made if isinstance(one, dict)}
        assert sorted(ids_of(desks[0])) == sorted(ids_of(desks[1]))
        assert len(ids_of(desks[0])) == turn + 1
        batch = {"CallerReference": "one", "Paths": {"Quantity": 1, "Items": ["/a"]}}
        asked = at_once(
            *(
                lambda client=client, batch=batch, id=id: client.create_invalidation(
                    DistributionId=id, InvalidationBatch=batch
                )
                for client in clients
            )
        )
        assert len({one["Invalidation"]["Id"] for one in asked}) == 1
        listed = clients[0].list_invalidations(DistributionId=id)["InvalidationList"]
        assert listed["Quantity"] == 1


def test_quotas_hold_across_controls(desks: Pair) -> None:
    """Fifteen wildcards in progress: no node has acknowledged one."""
    for desk in desks:
        desk.invalidations._barrier = Never()  # type: ignore[assignment]
    id = created(desks[0].client())["Distribution"]["Id"]
    for number in range(15):
        client = desks[number % 2].client()
        wildcard(client, id, number)
    for desk in desks:
        refused(
            lambda desk=desk: wildcard(desk.client(), id, 99),
            code="TooManyInvalidationsInProgress",
            status=400,
        )


class Never:
    """A barrier before which every node waits."""

    def applied_everywhere(self, _seq: int) -> bool:
        return False

    def waiting_for(self, _seq: int) -> list[str]:
        return ["edge"]


def wildcard(client: Any, id: str, number: int) -> None:
    paths = {"Quantity": 1, "Items": [f"/{number}/*"]}
    batch = {"CallerReference": str(number), "Paths": paths}
    client.create_invalidation(DistributionId=id, InvalidationBatch=batch)


def test_access_keys_of_one_open_the_other_until_they_are_deleted(desks: Pair) -> None:
    key = desks[0].made_key("deploy")
    assert desks[1].state.follow()
    desks[1].client(key).list_distributions()
    desks[1].keys.delete(key.access_key_id)
    assert desks[0].state.follow()
    refused(
        lambda: desks[0].client(key).list_distributions(), code="InvalidClientTokenId", status=403
    )
    assert desks[0].made_key("deploy").access_key_id != key.access_key_id


def test_a_drain_holds_at_both(desks: Pair) -> None:
    drained = [DrainedNodes(desk.state) for desk in desks]
    drained[0].change("edge-A-1", ["edge-A-1"], drain=True)
    assert desks[1].state.follow()
    assert drained[1].holds("edge-A-1", "A", "m")
    with desks[1].state.writing():
        drained[1].change("edge-A-2", ["edge-A-2"], drain=True)
    with desks[0].state.writing():
        drained[0].change("edge-A-1", [], drain=False)
    assert drained[0].named == {"edge-A-2"}


def changed_file(desk: Desk, brand: str) -> None:
    config = desk.catalog.file
    desk.catalog.publish(replace(config, brand=brand))


def test_changes_of_the_api_are_composed_with_the_file_that_was_published_last(
    desks: Pair,
) -> None:
    changed_file(desks[0], "A")
    created(desks[1].client())
    assert desks[1].catalog.published.brand == "A"
    assert desks[0].state.follow()
    assert desks[0].catalog.published == desks[1].catalog.published
    assert desks[1].catalog.file.brand == "A"


def test_a_control_that_joins_others_brings_no_file_of_its_own(desks: Pair) -> None:
    text = desks[1].file.replace('state_dir = "state"', 'brand = "mine"\nstate_dir = "state"')
    (desks[1].folder / "edgecache.toml").write_text(text)
    desks[1].open()
    assert desks[1].catalog.differs
    assert desks[1].catalog.published.brand == desks[0].catalog.published.brand
    changed_file(desks[1], "mine")  # as a reload does
    assert not desks[1].catalog.differs
    assert desks[0].state.follow()
    assert desks[0].catalog.file.brand == "mine"
    desks[0].state.close()
    text = text.replace("mine", "alone")
    (desks[1].folder / "edgecache.toml").write_text(text)
    desks[1].open()
    assert (desks[1].catalog.published.brand, desks[1].catalog.differs) == ("alone", False)


def test_addresses_of_a_control_are_its_own_and_no_other_file(desks: Pair) -> None:
    text = desks[1].file.replace("8090", "8091")
    (desks[1].folder / "edgecache.toml").write_text(text)
    desks[1].open()
    assert not desks[1].catalog.differs


@pytest.mark.parametrize("later", [True, False])
def test_a_file_that_this_release_does_not_take_stops_its_writes(
    desks: Pair, *, later: bool
) -> None:
    file = desks[0].catalog.file
    twice = msgspec.json.encode(replace(file, locations=file.locations * 2)).decode()
    text = '{"later": 1}' if later else twice
    desks[0].state.execute("UPDATE told SET value = ? WHERE name = 'file'", (text,))
    before = desks[1].log.live.last_seq
    for _ in range(2):
        with pytest.raises(StateBusyError, match="upgrade this one"):
            desks[1].keys.create("one", (), ())
    assert not desks[1].state.in_transaction
    assert desks[1].log.live.last_seq == before
    assert isinstance(desks[1].state, PostgresDatabase)


def test_keys_of_a_store_have_one_order_of_versions(desks: Pair) -> None:
    a, b = desks
    store = a.client().create_key_value_store(Name="r")["KeyValueStore"]
    ours, theirs = (one.values_client() for one in desks)
    arn, versions = store["ARN"], []
    for number in range(ROUNDS):
        first = ours.describe_key_value_store(KvsARN=arn)["ETag"]
        done = theirs.put_key(KvsARN=arn, Key=f"b{number}", Value="1", IfMatch=first)
        with pytest.raises(ClientError) as refused:
            ours.put_key(KvsARN=arn, Key="a", Value="1", IfMatch=first)
        assert code_of(refused.value) == ("ConflictException", 409)
        ours.put_key(KvsARN=arn, Key=f"a{number}", Value="1", IfMatch=done["ETag"])
        versions.append(b.log.last_seq)
    b.state.follow()
    for one in desks:
        live = [entry.seq for entry in one.log.live.after(0).entries if entry.kind == "key-values"]
        assert live == sorted(live)
        content = one.catalog.key_values.content(store["Id"])
        assert content is not None
        assert (content.version, len(content.items)) == (live[-1], 2 * ROUNDS)
