"""API latency on SQLite and on PostgreSQL, side by side: `python -m tests.fleet.api_latency`.

One control without nodes is asked by boto3, one request after the other on one connection: create a
distribution, invalidate a path of it. What boto3 takes itself is in it. PostgreSQL is a primary and
a synchronous standby on this machine; both fsync, as SQLite does.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config as ClientConfig

from edgecache.config.secrets import load_operators
from edgecache.control.cloudfront.authentication import access_keys
from tests.end_to_end.installation import Installation, Ports
from tests.end_to_end.processes import free_ports, listens
from tests.end_to_end.test_postgresql import Pair
from tests.world.postgresql import PostgresServer

REQUESTS_MAX = 5_000
OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"  # Managed-CachingOptimized
CONFIG = """
[control]
listen = "127.0.0.1:{control}"
allow_private_origins = true
{database}

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{lhr}"
"""
FSYNC = ("fsync = on",)


@contextmanager
def control(folder: Path, dsn: str = "") -> Iterator[Installation]:
    """A control, on SQLite or on what `dsn` names."""
    folder.mkdir()
    port, lhr = free_ports(2)
    database = ""
    if dsn:
        (folder / "dsn").write_text(dsn + "\n")
        database = 'database = "file:dsn"'
    made = Installation(folder, Ports(port, 1, lhr, 1))
    made.config.write_text(
        'state_dir = "state"\n' + CONFIG.format(control=port, lhr=lhr, database=database)
    )
    running = made.start("control")
    try:
        running.until("control answers", lambda: listens(port))
        running.until("its socket file", made.socket.exists)
        yield made
    finally:
        running.stop()


def _client(installation: Installation) -> Any:
    key = access_keys(load_operators(installation.state, {}))[-1]
    return boto3.client(
        "cloudfront",
        endpoint_url=installation.control,
        region_name="us-east-1",
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_access_key,
        config=ClientConfig(retries={"total_max_attempts": 1}),
    )


def _site(number: int) -> dict[str, Any]:
    custom = {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}
    origin = {"Id": "web", "DomainName": "127.0.0.1", "CustomOriginConfig": custom}
    return {
        "CallerReference": str(number),
        "Comment": "",
        "Enabled": True,
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": {
            "TargetOriginId": "web",
            "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": OPTIMIZED,
        },
    }


def _measured(installation: Installation, requests: int) -> tuple[list[float], list[float]]:
    """Seconds of each creation, and of as many invalidations of one site, sorted."""
    client, created, invalidated = _client(installation), list[float](), list[float]()
    made = {}
    for number in range(requests):
        began = time.monotonic()
        made = client.create_distribution(DistributionConfig=_site(number))["Distribution"]
        created.append(time.monotonic() - began)
    for number in range(requests):
        paths = {"Quantity": 1, "Items": [f"/{number}"]}
        batch = {"Paths": paths, "CallerReference": str(number)}
        began = time.monotonic()
        client.create_invalidation(DistributionId=made["Id"], InvalidationBatch=batch)
        invalidated.append(time.monotonic() - began)
    return sorted(created), sorted(invalidated)


def _row(name: str, created: list[float], invalidated: list[float]) -> str:
    def quantiles(some: list[float]) -> str:
        p50, p99 = some[len(some) // 2], some[min(len(some) - 1, len(some) * 99 // 100)]
        return f"{p50 * 1e3:.1f} / {p99 * 1e3:.1f}"

    return f"| {name} | {quantiles(created)} | {quantiles(invalidated)} |"


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped
    parser = argparse.ArgumentParser(prog="python -m tests.fleet.api_latency", description=__doc__)
    parser.add_argument("--requests", type=int, default=300, help="of each kind")
    requests = parser.parse_args().requests
    if not 0 < requests <= REQUESTS_MAX:
        sys.exit(f"--requests: from 1 to {REQUESTS_MAX}")
    now = time.strftime("%Y-%m-%d %H:%M")
    print(f"{now}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}; {requests} of each")
    print("| p50 / p99 ms | create a distribution | invalidate |\n|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="ecapi-") as name:
        folder = Path(name)
        with control(folder / "sqlite") as made:
            print(_row("SQLite", *_measured(made, requests)), flush=True)
        pair = Pair(PostgresServer(FSYNC), PostgresServer(FSYNC))
        try:
            pair.start()
            with control(folder / "postgresql", pair.dsn) as made:
                measured = _measured(made, requests)
                print(_row("PostgreSQL, synchronous standby", *measured))
            pair.standby.stop()
            pair.primary.stop()
        finally:
            pair.primary.remove()
            pair.standby.remove()


if __name__ == "__main__":
    main()
