"""Control with name servers, a zone and a distribution in its file, and botocore before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.control.cloudfront.desk import LOCATION_ALONE, Desk, open_desk
from tests.control.route53.zones import Zones

FILE = (
    LOCATION_ALONE
    + """
[dns]
listen = ["127.0.0.1:5300"]
zone = "cdn.test"
name_servers = ["ns1.cdn.test", "ns2.example.net"]
server_addresses = {{ "ns1.cdn.test" = ["127.0.0.1"] }}
locations = [{{ name = "LHR50", addresses = ["127.0.0.1"] }}]
vpcs = [
  {{ id = "vpc-1", clients = ["10.1.0.0/16"], region = "eu-west-1" }},
  {{ id = "vpc-2", clients = ["10.2.0.0/16"], region = "eu-west-2" }},
  {{ id = "vpc-3", clients = ["10.1.4.0/24"], region = "eu-west-1" }},
]

[[dns.zones]]
name = "file.test"
records = [
  {{ name = "www", type = "A", values = ["192.0.2.9"] }},
  {{ name = "@", type = "A", alias = {{ distribution = "EFILE" }} }},
]

[[distributions]]
id = "EFILE"
origins = [{{ id = "o", domain_name = "127.0.0.1" }}]
default_behavior = {{ origin = "o" }}
"""
)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path, FILE) as made:
        yield made


@pytest.fixture
def zones(desk: Desk) -> Zones:
    return Zones(desk, desk.client(service="route53"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zones]:
    """One for all tests of a file that leave nothing behind."""
    with open_desk(tmp_path_factory.mktemp("shared"), FILE) as made:
        yield Zones(made, made.client(service="route53"))
