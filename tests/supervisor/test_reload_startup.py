"""What of a file running processes take over, and for what they are replaced."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from edgecache.config.dns import DnsRecord, DnsZoneSettings
from edgecache.config.model import Config, DnsLocation, DnsSettings
from edgecache.supervisor.reload import startup_settings

SETTINGS = DnsSettings(listen=("127.0.0.1:53",))


def differs(**changes: object) -> bool:
    before, after = Config(dns=SETTINGS), Config(dns=replace(SETTINGS, **changes))
    return startup_settings(before) != startup_settings(after)


@pytest.mark.parametrize(
    "changes",
    [
        {"listen": ("127.0.0.1:54",)}, {"workers": 2}, {"connections_max": 9},
        {"connection_idle_s_max": 3.0},
    ],
)  # fmt: skip
def test_a_name_server_is_replaced_for_its_sockets(changes: dict[str, object]) -> None:
    assert differs(**changes)


def test_it_takes_over_zones_and_locations() -> None:
    record = DnsRecord(name="www", type="A", values=("192.0.2.1",))
    assert not differs(
        zone="cdn.test",
        name_servers=("ns.test",),
        ttl_s=5,
        responses_per_s=0,
        zones=(DnsZoneSettings(name="users.test", records=(record,)),),
        locations=(DnsLocation(name="A", addresses=("192.0.2.1",)),),
    )


def test_a_name_server_that_was_not_there_is_started() -> None:
    assert startup_settings(Config()) != startup_settings(Config(dns=SETTINGS))
