"""Health checks in a file: what each kind has, and what is refused, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.config.load import load
from edgecache.config.problems import ConfigError

FILE = """
[control]
listen = "127.0.0.1:8090"
[[locations]]
name = "LHR50"
listen = "127.0.0.1:8080"
[dns]
listen = ["127.0.0.1:53"]
name_servers = ["ns1.test"]
health_checks = [
  { id = "web", type = "HTTP", address = "192.0.2.1", port = 8080, path = "/up?deep" },
  { id = "tls", type = "HTTPS_STR_MATCH", host = "a.test", search_string = "well" },
  { id = "port", type = "TCP", address = "2001:db8::1", port = 25, interval_s = 10 },
  { id = "any", type = "CALCULATED", children = ["web", "tls"], health_threshold = 1 },
]
[[distributions]]
id = "ESITE"
default_behavior = { origin = "o" }
origins = [{ id = "o", domain_name = "o.test", health_check = "web" }]
[[dns.zones]]
name = "users.test"
records = [{ name = "www", type = "A", values = ["192.0.2.1"], health_check = "any" }]
"""
W = "dns.health_checks[0]"


def problems(folder: Path, file: str) -> list[str]:
    path = folder / "edgecache.toml"
    path.write_text(file)
    try:
        load(path)
    except ConfigError as error:
        return [str(one) for one in error.problems]
    return []


def test_every_kind_is_read(tmp_path: Path) -> None:
    assert problems(tmp_path, FILE) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"HTTP"', '"UDP"', f"{W}.type"),
        ('id = "web"', 'id = "tls"', 'dns.health_checks[1].id: "tls" is there twice'),
        ('id = "web"', 'id = "a b"', f'{W}.id: "a b" is not an id'),
        ('address = "192.0.2.1", ', "", f"{W}.address: missing"),
        ('address = "192.0.2.1"', 'address = "a.test"', f'{W}.address: "a.test" is not an addr'),
        ('host = "a.test"', 'host = "a..b"', 'dns.health_checks[1].host: "a..b" is not a domain'),
        ("8080, path", "0, path", f"{W}.port: 0 is outside 1 to 65535"),
        ("port = 25,", "", "dns.health_checks[2].port: missing"),
        ('"/up?deep"', '"up"', f'{W}.path: "up" is not a path'),
        ('"/up?deep"', '"/a b"', f'{W}.path: "/a b" is not a path'),
        ('"/up?deep"', f'"/{"a" * 255}"', f"{W}.path: is longer than 255"),
        ("port = 25,", 'port = 25, path = "/up",', "dns.health_checks[2].path: TCP has none"),
        ('"/up?deep"', '"/", search_string = "a"', f"{W}.search_string: HTTP looks for none: HTT"),
        (', search_string = "well"', "", "dns.health_checks[1].search_string: missing"),
        ("interval_s = 10", "interval_s = 20", "dns.health_checks[2].interval_s: 20 is not 10"),
        ("interval_s = 10", "failure_threshold = 11", "dns.health_checks[2].failure_threshold: 11"),
        ('["web", "tls"]', "[]", "dns.health_checks[3].children: empty"),
        ('["web", "tls"]', '["web", "web"]', "dns.health_checks[3].children: names a health che"),
        ('["web", "tls"]', '["nobody"]', 'dns.health_checks[3].children[0]: "nobody" is no hea'),
        ('["web", "tls"]', '["any"]', 'dns.health_checks[3].children[0]: "any" is calculated'),
        ('"CALCULATED",', '"CALCULATED", port = 80,', "dns.health_checks[3].port: a calculated"),
        ("health_threshold = 1", "health_threshold = 257", "dns.health_checks[3].health_thresh"),
        ('"/up?deep"', '"/", health_threshold = 1', f"{W}.children: HTTP has none"),
        (
            'health_check = "web"',
            'health_check = "no"',
            'distributions[0].origins[0].health_check: "no" is no health check',
        ),
        ('health_check = "any"', 'health_check = "no"', "dns.zones[0].records[0].health_check"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in FILE
    found = problems(tmp_path, FILE.replace(old, new))
    assert any(one.startswith(problem) for one in found), found


def test_an_origin_s_check_is_looked_for_without_dns_too(tmp_path: Path) -> None:
    file = FILE[: FILE.index("[dns]")] + FILE[FILE.index("[[distributions]]") :]
    file = file[: file.index("[[dns.zones]]")]
    assert problems(tmp_path, file) == [
        'distributions[0].origins[0].health_check: "web" is no health check'
    ]


def test_there_are_no_more_than_the_quota(tmp_path: Path) -> None:
    one = '{ id = "%d", type = "TCP", address = "192.0.2.1", port = 1 },'
    file = FILE.replace("health_checks = [", "health_checks = [" + "".join(
        one % number for number in range(197)
    ))  # fmt: skip
    assert problems(tmp_path, file) == ["dns.health_checks: 201 are more than 200"]
