"""A name server's worker: what it does without control, and when its secrets change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import dns.message
import dns.rdatatype
import pytest

from edgecache.config.dns import DnsSettings
from edgecache.config.model import Config
from edgecache.config.secrets import add_zone_secret, change_keys, new_secret
from edgecache.node import name_server
from edgecache.node.name_server import NameServer, NameServerParts

PATIENCE_S = 20.0


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NameServerParts:
    monkeypatch.delenv("EDGECACHE_SECRETS", raising=False)
    monkeypatch.setattr(name_server, "WATCH_S", 0.0)
    add_zone_secret(tmp_path, {})
    settings = DnsSettings(
        listen=("127.0.0.1:53",), zone="cdn.test", name_servers=("ns.other.test",), dnssec=True
    )
    return NameServerParts(Config(state_dir=str(tmp_path), dns=settings), "nameserver-1")


def answered(server: NameServer, type: str) -> dict[int, int]:
    """How many records of each type there are in an answer."""
    query = dns.message.make_query("cdn.test", type, want_dnssec=True)
    wire = server.listener.datagram(query.to_wire(), "192.0.2.1")
    assert wire is not None
    return {one.rdtype: len(one) for one in dns.message.from_wire(wire).answer}


def watched(parts: NameServerParts, server: NameServer, change: Callable[[], object]) -> None:
    """Have the server watch its secrets until it has taken over a change of them."""
    plain = parts._secrets.use

    async def changed() -> None:
        done = asyncio.Event()

        def use(config: Config) -> Mapping[str, str]:
            asyncio.get_running_loop().call_soon(done.set)  # once what follows has been done
            return plain(config)

        parts._secrets.use = use  # type: ignore[method-assign]
        task = asyncio.ensure_future(parts._watch_secrets(server))
        change()
        await asyncio.wait_for(done.wait(), PATIENCE_S)
        task.cancel()

    asyncio.run(changed())


def test_a_key_that_is_added_signs_within_a_moment(parts: NameServerParts, tmp_path: Path) -> None:
    server = parts.name_server()
    assert answered(server, "SOA") == {dns.rdatatype.SOA: 1, dns.rdatatype.RRSIG: 1}
    added = {"k2": new_secret(bytes)}
    watched(
        parts, server, lambda: change_keys(tmp_path, {}, "dnssec", lambda keys: {**keys, **added})
    )
    assert answered(server, "DNSKEY") == {dns.rdatatype.DNSKEY: 4, dns.rdatatype.RRSIG: 2}
    assert answered(server, "SOA") == {dns.rdatatype.SOA: 1, dns.rdatatype.RRSIG: 2}


def test_secrets_of_peers_that_change_are_taken_over(
    parts: NameServerParts, tmp_path: Path
) -> None:
    server = parts.name_server()
    heard: list[list[str]] = []
    parts._secrets.tell_peers(lambda peers: heard.append([*peers]))
    added = {"k2": new_secret(bytes)}
    watched(
        parts, server, lambda: change_keys(tmp_path, {}, "peer", lambda keys: {**keys, **added})
    )
    assert heard == [["k1"], ["k1", "k2"]]


def test_signatures_are_counted_in_memory(parts: NameServerParts) -> None:
    server = parts.name_server()
    answered(server, "SOA")
    assert server.keys.memo.size_bytes > 0
