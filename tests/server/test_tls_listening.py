"""A location that speaks TLS: its second address, the files it needs, what people are told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from edgecache.config.model import (
    Behavior,
    Config,
    Distribution,
    Location,
    Origin,
    ViewerCertificate,
)
from edgecache.server.dev_certificate import ca_file, development_certificate
from edgecache.supervisor.banner import as_json, to_try_secure
from edgecache.supervisor.preflight import bindings, missing_files


def config(folder: Path, alias: str = "localhost") -> Config:
    site = Distribution(
        id="E",
        aliases=(alias,),
        origins=(Origin(id="o", domain_name="origin.test"),),
        default_behavior=Behavior(origin="o"),
    )
    location = Location(name="LHR50", listen="127.0.0.1:8080", listen_tls="127.0.0.1:8443")
    return Config(state_dir=str(folder), locations=(location,), distributions=(site,))


def test_both_addresses_are_bound(tmp_path: Path) -> None:
    found = [(str(binding.address), binding.owner) for binding in bindings(config(tmp_path))]
    assert found == [
        ("127.0.0.1:8080", "location LHR50"),
        ("127.0.0.1:8443", "location LHR50, TLS"),
    ]


def test_a_certificate_that_is_not_there_is_told(tmp_path: Path) -> None:
    wanted = config(tmp_path)
    gone = ViewerCertificate(certificate_file="/none.pem", key_file="/none.key")
    site = replace(wanted.distributions[0], viewer_certificate=gone)
    where = "distributions[0].viewer_certificate"
    assert missing_files(replace(wanted, distributions=(site,))) == [
        f"{where}.certificate_file: no such file: /none.pem",
        f"{where}.key_file: no such file: /none.key",
    ]


def test_the_authority_to_trust_is_told(tmp_path: Path) -> None:
    wanted = config(tmp_path)
    assert to_try_secure(wanted) == ["curl -i https://localhost:8443/"]
    development_certificate(tmp_path, ["localhost"], datetime.now(UTC))
    ca = ca_file(tmp_path)
    assert to_try_secure(wanted) == [f"curl -i --cacert {ca} https://localhost:8443/"]
    told = json.loads(as_json([], {}, wanted))
    assert told["secure_locations"] == {"LHR50": "https://localhost:8443"}
    assert told["ca_file"] == str(ca)


def test_without_tls_nothing_is_told(tmp_path: Path) -> None:
    wanted = config(tmp_path)
    plain = replace(wanted, locations=(replace(wanted.locations[0], listen_tls=""),))
    assert to_try_secure(plain) == []
    assert "secure_locations" not in json.loads(as_json([], {}, plain))


def test_a_site_of_another_name_is_asked_for_by_it(tmp_path: Path) -> None:
    wanted = config(tmp_path)
    site = replace(wanted.distributions[0], aliases=("*.site.test",))
    assert to_try_secure(replace(wanted, distributions=(site,))) == [
        "curl -i --connect-to ::127.0.0.1:8443 https://www.site.test:8443/"
    ]
