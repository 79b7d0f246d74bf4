"""Dev mode as a test uses it: distributions by API, a clock that is moved, a way back to the start.

No test here waits for time to pass.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecache.cluster.lease import LEASE_S
from tests.end_to_end.bench import (
    Bench,
    CountingOrigin,
    signed,
    site,
    start_bench,
    tagged,
    trusted_key,
)
from tests.end_to_end.processes import EDGECACHE, children, run, start, wait_for

HOUR, DAY = 3_600, 86_400


@pytest.fixture(scope="module")
def origin() -> Iterator[CountingOrigin]:
    made = CountingOrigin()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = start_bench(tmp_path_factory.mktemp("dev"), "--seed=7")
    yield made
    assert made.process.stop() == 0, made.process.stderr


@pytest.fixture
def bench(running: Bench, origin: CountingOrigin) -> Bench:
    running.reset()
    origin.begin(cache_control="max-age=60")
    return running


def created(bench: Bench, origin: CountingOrigin, id: str = "shop", **more: Any) -> str:
    """A distribution of this id; the name that it is asked by."""
    made = bench.client().create_distribution_with_tags(
        DistributionConfigWithTags=tagged(site(origin.port, **more), id)
    )["Distribution"]
    assert made["Id"] == id
    return str(made["DomainName"])


def test_it_tells_where_everything_is(bench: Bench) -> None:
    lines = bench.process.stdout.splitlines()
    assert lines[0].split() == ["control", bench.control]
    assert [line.split()[0] for line in lines[1:3]] == ["LHR50", "NRT57"]
    assert "Any credentials are accepted" in bench.process.stdout
    wait_for("leases after the reset", lambda: bench.ask("GET", "/_edgecache/ready")[0] == 200)
    assert bench.ask("GET", "/_edgecache/ready") == (200, {"ready": True})
    assert list(bench.told["locations"]) == ["LHR50", "NRT57"]


def test_a_distribution_answers_to_both_of_its_names(bench: Bench, origin: CountingOrigin) -> None:
    name = created(bench, origin)
    assert name.endswith(".cloudfront.net")
    assert bench.get(name, "/a").x_cache == "Miss"
    assert bench.get("shop.localhost", "/a").x_cache == "Hit"
    assert bench.get("shop.localhost", "/a", "NRT57").x_cache == "Hit"  # of the regional cache
    assert origin.asked == {"/a": 1}


def test_a_reset_leaves_nothing(bench: Bench, origin: CountingOrigin) -> None:
    name = created(bench, origin)
    for place in ("LHR50", "NRT57"):
        bench.get(name, "/a", place)
        assert bench.get(name, "/a", place).x_cache == "Hit"
    bench.advance(HOUR)
    bench.reset()
    assert bench.client().list_distributions()["DistributionList"]["Quantity"] == 0
    assert bench.ask("GET", "/_edgecache/clock")[1]["offset_s"] == 0
    assert requests_counted(bench) == 0
    assert bench.get(name, "/a").status == 403
    assert created(bench, origin) == name  # the same id, and so the same keys
    assert bench.get(name, "/a").x_cache == "Miss"
    assert bench.get(name, "/a").x_cache == "Hit"
    assert origin.asked == {"/a": 2}


def requests_counted(bench: Bench) -> float:
    """What viewers and tiers have asked, by the metrics."""
    answer = bench.get_control("/metrics")
    found = re.findall(r"^edgecache_requests_total\{[^}]*\} (\S+)", answer, re.MULTILINE)
    return sum(map(float, found))


def test_ids_come_again_after_a_reset(bench: Bench, origin: CountingOrigin) -> None:
    def made() -> str:
        answer = bench.client().create_distribution(DistributionConfig=site(origin.port))
        return str(answer["Distribution"]["Id"])

    first = made()
    bench.reset()
    assert made() == first


def test_ages_and_lifetimes_follow_the_clock_in_both_tiers(
    bench: Bench, origin: CountingOrigin
) -> None:
    origin.begin(cache_control="max-age=86400")
    name = created(bench, origin)
    bench.get(name, "/a")
    bench.advance(DAY - 60)
    answer = bench.get(name, "/a")
    assert answer.x_cache == "Hit"
    assert DAY - 60 <= int(answer.fields["age"]) < DAY
    assert bench.get(name, "/a", "NRT57").fields["age"] == answer.fields["age"]
    bench.advance(61)
    assert bench.get(name, "/a").x_cache in ("Miss", "RefreshHit")
    assert origin.asked == {"/a": 2}
    assert bench.get(name, "/a").x_cache == "Hit"  # what came is not old already


def test_a_stale_copy_serves_for_as_long_as_it_may(bench: Bench, origin: CountingOrigin) -> None:
    origin.begin(cache_control=f"max-age=60, stale-if-error={7 * DAY}")
    name = created(bench, origin)
    body = bench.get(name, "/a").body
    origin.status = 503
    bench.advance(7 * DAY)
    stale = bench.get(name, "/a")
    assert (stale.status, stale.body) == (200, body)
    bench.advance(120)
    assert bench.get(name, "/a").status == 503


def test_a_signed_url_ends(bench: Bench, origin: CountingOrigin) -> None:
    trusting, signer = trusted_key(bench)
    name = created(bench, origin, behavior=trusting)
    target = signed(signer, name, "/a")
    assert bench.get(name, target).status == 200
    bench.advance(HOUR)
    assert bench.get(name, target).status == 403


@contextlib.contextmanager
def hanging(bench: Bench, location: str) -> Iterator[None]:
    """The worker of a location runs no further until the end of it."""
    stopped = worker(bench, location)
    os.kill(stopped, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(stopped, signal.SIGCONT)
    wait_for("it is back", lambda: bench.ask("GET", "/_edgecache/ready")[0] == 200)


def invalidated_while_a_node_hangs(bench: Bench) -> None:
    """An invalidation of all of `shop` is Completed when the lease of who hangs has ended."""
    client, began = bench.client(), time.monotonic()
    with hanging(bench, "NRT57"):
        batch = {"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": "1"}
        made = client.create_invalidation(DistributionId="shop", InvalidationBatch=batch)
        asked = {"DistributionId": "shop", "Id": made["Invalidation"]["Id"]}
        before = client.get_invalidation(**asked)["Invalidation"]["Status"]
        if time.monotonic() - began < LEASE_S / 2:  # else it may have ended by itself
            assert before == "InProgress"
        bench.advance(4)
        assert client.get_invalidation(**asked)["Invalidation"]["Status"] == "Completed"


def test_a_node_that_hangs_is_waited_for_until_its_lease_ends(
    bench: Bench, origin: CountingOrigin
) -> None:
    created(bench, origin)
    invalidated_while_a_node_hangs(bench)


def test_a_signature_a_day_a_week_and_a_lease_end_in_one_test(
    bench: Bench, origin: CountingOrigin
) -> None:
    """Eight days and an hour, and nobody sleeps."""
    origin.begin(cache_control=f"max-age={DAY}, stale-if-error={7 * DAY}")
    trusting, signer = trusted_key(bench)
    config = site(origin.port)["DefaultCacheBehavior"] | trusting | {"PathPattern": "/private/*"}
    name = created(bench, origin, CacheBehaviors={"Quantity": 1, "Items": [config]})
    target = signed(signer, name, "/private/a")
    assert [bench.get(name, path).status for path in (target, "/a")] == [200, 200]
    bench.advance(HOUR)  # the end of the signature
    assert bench.get(name, target).status == 403
    bench.advance(DAY - HOUR - 60)  # 24 h of TTL
    assert bench.get(name, "/a").x_cache == "Hit"
    origin.status = 503
    bench.advance(7 * DAY)  # of stale-if-error
    assert bench.get(name, "/a").body == b"/a 1"
    bench.advance(HOUR)
    assert bench.get(name, "/a").status == 503
    origin.status = 200
    bench.advance(DAY)  # of the error: its origin said so
    assert bench.get(name, "/a").x_cache in ("Miss", "RefreshHit")
    invalidated_while_a_node_hangs(bench)  # the lease
    assert bench.get(name, "/a").x_cache == "Miss"


def worker(bench: Bench, location: str) -> int:
    """The pid of the worker of a location."""
    found = find(bench, location)
    assert found, f"no worker of {location}"
    return found


def find(bench: Bench, location: str) -> int:
    """As `worker`; 0: there is none."""
    for pid in children(bench.process.pid):
        with contextlib.suppress(OSError):  # it has ended
            if location.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
    return 0


def test_what_is_cached_is_there_at_once_after_the_clock_was_moved(
    bench: Bench, origin: CountingOrigin
) -> None:
    """Leases have ended with the time that passed; nodes have new ones before it is answered."""
    origin.begin(cache_control="max-age=86400")
    name = created(bench, origin)
    for place in ("LHR50", "NRT57"):
        bench.get(name, "/a", place)
    for seconds in (1, 2, 3, 4, 60):
        bench.advance(seconds)
        assert [bench.get(name, "/a", place).x_cache for place in ("LHR50", "NRT57")] == [
            "Hit",
            "Hit",
        ]


def test_a_process_that_starts_anew_has_the_clock_of_the_others(
    bench: Bench, origin: CountingOrigin
) -> None:
    origin.begin(cache_control="max-age=86400")
    name = created(bench, origin)
    bench.get(name, "/a")
    bench.advance(HOUR)
    former = worker(bench, "LHR50")
    os.kill(former, signal.SIGKILL)
    wait_for("another runs", lambda: (found := find(bench, "LHR50")) and found != former)
    wait_for("it is ready", lambda: bench.ask("GET", "/_edgecache/ready")[0] == 200)
    answer = bench.get(name, "/a")  # from the regional cache, which had it all the while
    assert (answer.x_cache, origin.asked) == ("Hit", {"/a": 1})
    assert int(answer.fields["age"]) >= HOUR


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"advance_s": -1}, "is negative: the clock goes back by POST /_edgecache/reset"),
        ({"advance_s": 1e12}, "is more than ten years in all"),
        ({"advance_s": "1h"}, "Expected `float`, got `str`"),
        ({"hours": 1}, "unknown field `hours`"),
        ([], "Expected `object`, got `array`"),
    ],
)
def test_what_no_clock_can_do_is_refused(bench: Bench, body: object, why: str) -> None:
    status, told = bench.ask("POST", "/_edgecache/clock", body)
    assert status == 400
    assert why in told["error"]
    assert bench.ask("GET", "/_edgecache/clock")[1]["offset_s"] == 0


def test_the_command_moves_the_clock(bench: Bench, tmp_path: Path) -> None:
    where = f"--control={bench.control}"
    code, out, err = run("clock", "advance", "1h", where, "--json", folder=tmp_path)
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["offset_s"] == HOUR
    assert abs(told["now"] - time.time() - HOUR) < 60
    code, out, _ = run("clock", "show", where, folder=tmp_path)
    assert code == 0
    assert out.endswith("3600 s ahead\n")
    code, _, err = run("clock", "advance", "backwards", where, folder=tmp_path)
    assert code == 2
    assert "is not a time like" in err


def test_ports_in_use_are_told_in_one_line(bench: Bench, tmp_path: Path) -> None:
    taken = bench.control.removeprefix("http://")
    options = (f"--listen-control={taken}", "--listen=127.0.0.1:0", "--locations=A")
    second = start((*EDGECACHE, "dev", *options), tmp_path, "second")
    assert second.ended() == 2
    assert second.stderr == f"edgecache: {taken} (control): address already in use\n"


def test_an_origin_is_connected_to_elsewhere_and_asked_by_its_own_name(
    bench: Bench, origin: CountingOrigin
) -> None:
    name = "site.s3.eu-west-1.amazonaws.com"
    client = bench.client()
    control = client.create_origin_access_control(
        OriginAccessControlConfig={
            "Name": "oac",
            "SigningProtocol": "sigv4",
            "SigningBehavior": "always",
            "OriginAccessControlOriginType": "s3",
        }
    )["OriginAccessControl"]["Id"]
    to = f"http://127.0.0.1:{origin.port}"
    status, told = bench.ask(
        "PUT", "/_edgecache/origin-map", {"origin_map": {"*.s3.*.amazonaws.com": to}}
    )
    assert status == 200, told
    config = site(origin.port)
    config["Origins"]["Items"] = [
        {
            "Id": "web",
            "DomainName": name,
            "S3OriginConfig": {"OriginAccessIdentity": ""},
            "OriginAccessControlId": control,
        }
    ]
    client.create_distribution_with_tags(DistributionConfigWithTags=tagged(config, "bucket"))
    assert bench.get("bucket.localhost", "/a").x_cache == "Miss"
    assert origin.hosts == [name]
    assert "/eu-west-1/s3/aws4_request" in origin.signed[0]
    assert origin.signed[0].startswith("AWS4-HMAC-SHA256 Credential=test/")
