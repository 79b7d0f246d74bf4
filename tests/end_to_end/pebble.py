"""Pebble, an authority that speaks ACME (RFC 8555), and the name server it asks: both Debian's."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgecache.server.dev_certificate import ca_file, development_certificate
from tests.end_to_end.processes import Running, free_ports, listens, start

PROGRAMS = ("pebble", "pebble-challtestsrv")


@dataclass(frozen=True, slots=True)
class Pebble:
    """It runs. It finds every name at 127.0.0.1, and challenges at the port it was given."""

    processes: tuple[Running, ...]
    port: int
    ca: Path  # who vouches for the authority's own server

    @property
    def directory_url(self) -> str:
        return f"https://localhost:{self.port}/dir"

    def stop(self) -> None:
        for process in self.processes:
            process.stop()


def start_pebble(folder: Path, http_port: int) -> Pebble:
    """Pebble, asking for challenges at `http_port`. Skips where it is not installed."""
    for program in PROGRAMS:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    folder.mkdir()
    port, management, names, names_management = free_ports(4)
    pem = development_certificate(folder, ["localhost"], datetime.now(UTC))
    settings = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(pem),
        "privateKey": str(pem),
        "httpPort": http_port,
        "tlsPort": 1,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    off = [f"-{kind}=" for kind in ("http01", "https01", "tlsalpn01")]
    dns = start(
        (
            *("pebble-challtestsrv", *off, "-defaultIPv6=", "-defaultIPv4=127.0.0.1"),
            *(f"-dns01=127.0.0.1:{names}", f"-management=127.0.0.1:{names_management}"),
        ),
        folder,
        "dns",
    )
    # It sleeps up to 15 s before it looks, and refuses one nonce in twenty, unless told not to.
    sane = ("env", "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
    command = ("pebble", "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{names}")
    pebble = start((*sane, *command), folder, "pebble")
    for process, at in ((pebble, port), (dns, names_management)):
        process.until("it listens", lambda at=at: listens(at))  # type: ignore[misc]
    return Pebble((pebble, dns), port, ca_file(folder))
