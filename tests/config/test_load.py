"""Files as people write them: what is read, and every way a file can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.config.load import load
from edgecache.config.managed import CACHE_POLICIES, ORIGIN_REQUEST_POLICIES, by_name
from edgecache.config.model import MIB, Behavior, CachePolicy, Config
from edgecache.config.problems import ConfigError, Problem

SHIPPED = Path(__file__).resolve().parents[2] / "config"
SITE = """
[[locations]]
name = "LHR50"
listen = "127.0.0.1:8080"
[[distributions]]
id = "E1"
[[distributions.origins]]
id = "web"
domain_name = "127.0.0.1"
[distributions.default_behavior]
origin = "web"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "edgecache.toml"


def problems(file: Path, text: str) -> list[str]:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    return [str(problem) for problem in caught.value.problems]


def loaded(file: Path, text: str) -> Config:
    file.write_text(text)
    return load(file)


def default_behavior(file: Path, lines: str, rest: str = "") -> Behavior:
    return loaded(file, SITE + lines + "\n" + rest).distributions[0].default_behavior


def test_the_demo_loads() -> None:
    config = load(SHIPPED / "demo.toml")
    assert [(x.name, x.listen, x.workers) for x in config.locations] == [
        ("LHR50", "127.0.0.1:8080", 2),
        ("NRT57", "127.0.0.1:8081", 1),
    ]
    assert config.control
    assert config.control.listen == "127.0.0.1:8090"
    assert config.regional
    assert config.regional.listen == "unix:regional.sock"
    assert config.bucket
    assert config.bucket.listen == "127.0.0.1:8070"
    assert config.bucket.folder == str(SHIPPED / "bucket")
    assert config.state_dir == str(SHIPPED.parent / "var" / "demo")
    assert config.distributions[0].origins[0].access == "identity"


def test_the_single_edge_loads() -> None:
    config = load(SHIPPED / "single.toml")
    assert (config.control, config.regional, config.bucket) == (None, None, None)
    assert len(config.locations) == 1


def test_paths_are_relative_to_the_file(file: Path) -> None:
    text = 'state_dir = "s"\n' + SITE.replace(
        'domain_name = "127.0.0.1"', 'domain_name = "h"\nca_file = "/ca/x.pem"'
    )
    config = loaded(file, text + '[bucket]\nlisten = "127.0.0.1:1"\nfolder = "../b"')
    assert config.state_dir == str(file.parent / "s")
    assert config.bucket
    assert config.bucket.folder == str(file.parent.parent / "b")
    assert config.distributions[0].origins[0].ca_file == "/ca/x.pem"


def test_the_state_folder_stands_beside_the_file_by_default(file: Path) -> None:
    assert loaded(file, SITE).state_dir == str(file.parent / "var")


@pytest.mark.parametrize(
    ("written", "size"),
    [("1048576", MIB), ('"1 MiB"', MIB), ('"1.5mib"', 3 * MIB // 2), ('"2 GB"', 2 * 10**9)],
)
def test_sizes_are_numbers_or_text(file: Path, written: str, size: int) -> None:
    text = SITE.replace("[[locations]]", f"[[locations]]\nmemory_bytes = {written}")
    assert loaded(file, text).locations[0].memory_bytes == size


@pytest.mark.parametrize(
    "spelling",
    [
        "Managed-CachingDisabled",
        "CachingDisabled",
        "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
    ],
)
def test_a_managed_cache_policy_is_named_three_ways(file: Path, spelling: str) -> None:
    behavior = default_behavior(file, f'cache_policy = "{spelling}"')
    assert behavior.cache_policy == CACHE_POLICIES[2]


def test_a_managed_origin_request_policy_is_named(file: Path) -> None:
    behavior = default_behavior(file, 'origin_request_policy = "AllViewer"')
    assert behavior.origin_request_policy == ORIGIN_REQUEST_POLICIES[0]


def test_a_policy_of_the_file_is_named(file: Path) -> None:
    own = '[[cache_policies]]\nname = "short"\nttl_s_max = 60'
    policy = default_behavior(file, 'cache_policy = "short"', own).cache_policy
    assert (policy.name, policy.ttl_s_max) == ("short", 60)


def test_managed_policies_have_distinct_spellings_and_legal_numbers() -> None:
    assert len(by_name(CACHE_POLICIES)) == 3 * len(CACHE_POLICIES)
    assert len(by_name(ORIGIN_REQUEST_POLICIES)) == 3 * len(ORIGIN_REQUEST_POLICIES)
    for policy in CACHE_POLICIES:
        assert policy.ttl_s_min <= policy.ttl_s_default <= policy.ttl_s_max


@pytest.mark.parametrize(
    ("table", "ttls"),
    [
        ("{}", (0, 86_400, 31_536_000)),
        ("{ ttl_s_max = 60 }", (0, 60, 60)),
        ("{ ttl_s_min = 100_000 }", (100_000, 100_000, 31_536_000)),
        ("{ ttl_s_default = 40_000_000 }", (0, 40_000_000, 40_000_000)),
        ("{ ttl_s_min = 5, ttl_s_max = 9 }", (5, 9, 9)),
    ],
)
def test_ttls_left_out_give_way(file: Path, table: str, ttls: tuple[int, int, int]) -> None:
    policy = default_behavior(file, f"cache_policy = {table}").cache_policy
    assert (policy.ttl_s_min, policy.ttl_s_default, policy.ttl_s_max) == ttls


def test_without_a_policy_the_default_one_holds(file: Path) -> None:
    assert default_behavior(file, "").cache_policy == CachePolicy()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('stat_dir = "x"', ['stat_dir: unknown key (did you mean "state_dir"?)']),
        ("zzz = 1", ["zzz: unknown key"]),
        ('"a b" = 1', ['"a b": unknown key']),
        ("limits = 3", ["limits: expected a table, got 3"]),
        ("locations = 3", ["locations: expected a list, got 3"]),
        (
            "locations = [3]",
            [
                "locations[0]: expected a table, got 3",
                "distributions: empty, and there is no [control] to add any by its API",
            ],
        ),
        (
            "[limits]\nfields_max = true\nurl_bytes_max = 1.5\nhead_bytes_max = []",
            [
                "limits.fields_max: expected a whole number, got true",
                "limits.url_bytes_max: expected a whole number, got 1.5",
                "limits.head_bytes_max: expected a whole number, got a list",
            ],
        ),
        (
            "[limits]\nhead_bytes_max = 12\nidle_s_max = nan\nwaiters_max = 0",
            [
                "limits.head_bytes_max: 12 is outside 1 KiB to 1 MiB",
                "limits.idle_s_max: nan is outside 0.05 to 3600 seconds",
                "limits.waiters_max: 0 is outside 1 to 1000000 requests",
            ],
        ),
        (
            '[limits]\nhead_bytes_max = "9 apples"\nhead_s_max = "1 apple"',
            [
                'limits.head_bytes_max: "9 apples" is not a size (like "256 MiB")',
                'limits.head_s_max: "1 apple" is not a time (like "90s", "5m", "1h30m")',
            ],
        ),
        (
            '[regional]\nwhen_down = "weep"',
            ['regional.when_down: "weep" is not one of "origin", "stale"'],
        ),
        (
            '[bucket]\nlisten = "127.0.0.1:1"\n',
            ["bucket.folder: missing"],
        ),
        (
            '[bucket]\nlisten = "h:1"\nfolder = "f"\ncache_control_rules = { "a*" = 3 }',
            ['bucket.cache_control_rules."a*": expected text, got 3'],
        ),
        (
            '[bucket]\nlisten = "10.0.0.7:1"\nfolder = "f"\nhosts = ["a.b", "[::1]", "a.b:80"]',
            ['bucket.hosts[2]: "a.b:80" is not a host name (no port)'],
        ),
        (
            '[bucket]\nlisten = "0.0.0.0:1"\nfolder = "f"',
            ["bucket.hosts: missing: bucket.listen is 0.0.0.0:1: say what names it is asked by"],
        ),
    ],
)
def test_values_are_judged_one_by_one(file: Path, text: str, expected: list[str]) -> None:
    assert problems(file, text) == expected


def test_every_problem_is_found_at_once(file: Path) -> None:
    text = """
brand = 7
[[locations]]
listen = "127.0.0.1:8080"
[[distributions]]
id = "E1"
[[distributions.origins]]
id = "assets"
domain_name = "assets.example"
[[distributions.origins]]
id = "api"
domain_name = "api.example"
[[distributions.behaviors]]
path_pattern = "/a"
origin = "api"
compress = "yes"
cache_policy = { ttl_s_min = 600, ttl_s_max = 300 }
[[distributions.behaviors]]
path_pattern = "/b"
origin = "img"
cache_policy = "CachingOptimised"
[distributions.default_behavior]
origin = "assets"
cache_polcy = "x"
"""
    assert problems(file, text) == [
        "brand: expected text, got 7",
        "locations[0].name: missing",
        'distributions[0].behaviors[0].compress: expected true or false, got "yes"',
        'distributions[0].behaviors[1].cache_policy: "CachingOptimised" is not a cache policy'
        ' (did you mean "CachingOptimized"?)',
        'distributions[0].default_behavior.cache_polcy: unknown key (did you mean "cache_policy"?)',
        "distributions[0].behaviors[0].cache_policy.ttl_s_min: 600 is greater than ttl_s_max 300",
        'distributions[0].behaviors[1].origin: "img" is not an origin (known: "assets", "api")',
    ]


def test_a_broken_piece_brings_no_second_problem(file: Path) -> None:
    text = '[[locations]]\nname = "A"\nlisten = "127.0.0.1:1"\n[[distributions]]\nid = "E1"\n'
    assert problems(file, text + "origins = 7") == [
        "distributions[0].origins: expected a list, got 7",
        "distributions[0].default_behavior: missing",
    ]


def test_policies_of_the_file_are_checked_where_they_stand(file: Path) -> None:
    text = SITE + (
        'cache_policy = "long"\n'
        '[[cache_policies]]\nname = "long"\nttl_s_min = 9\nttl_s_max = 8\n'
        '[[cache_policies]]\nname = "long"\n'
        "[[cache_policies]]\nttl_s_max = 8\n"
        '[[origin_request_policies]]\nname = "o"\nheaders = { behavior = "whitelist" }\n'
    )
    assert problems(file, text) == [
        "cache_policies[0].ttl_s_min: 9 is greater than ttl_s_max 8",
        'cache_policies[1].name: "long" is defined twice',
        "cache_policies[2].name: missing",
        'origin_request_policies[0].headers.items: empty, but behavior is "whitelist"',
    ]


def test_forwarded_values_of_the_file_are_checked(file: Path) -> None:
    text = SITE + 'forwarded_values = { headers = ["a b"] }'
    where = "distributions[0].default_behavior.forwarded_values"
    assert problems(file, text) == [f'{where}.headers[0]: "a b" is not a name']


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"a = \n", "not TOML: invalid value (at line 1, column 5)"),
        (b"ok = 1\n\nb = [1, 2\n", "not TOML: unclosed array (at end of document)"),
        (b"ok = 1\nb = '\xff'\n", "not UTF-8 (at line 2)"),
    ],
)
def test_what_is_not_toml_is_one_line_with_its_place(file: Path, data: bytes, line: str) -> None:
    file.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value) == f"{file}: {line}"


def test_a_missing_file_is_one_line(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value) == f"{file}: no such file or directory"


def test_a_folder_is_one_line(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(file.parent)
    assert str(caught.value) == f"{file.parent}: is a directory"


def test_the_error_reads_like_a_list() -> None:
    error = ConfigError(Path("x.toml"), [Problem("a", "wrong"), Problem("b[0]", "bad")])
    assert str(error) == "x.toml: 2 problems\n  a: wrong\n  b[0]: bad"
