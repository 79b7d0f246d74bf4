"""What `edgecache check` says of broken files: each problem, its place, and what helps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from edgecache.cli.check import check_file

GOOD = """state_dir = "state"

[control]
listen = "127.0.0.1:8090"

[[locations]]
name = "LHR50"
listen = "127.0.0.1:8080"

[[distributions]]
id = "E1"
aliases = ["www.example.com"]
origins = [{ id = "web", domain_name = "127.0.0.1", http_port = 9000 }]
default_behavior = { origin = "web" }
"""
BEHAVIOR = '{ origin = "web" }'
BY_FILE = GOOD[GOOD.index("origins") :]
SITE, IN = "distributions[0]", "distributions[0].default_behavior"
METHODS = (
    'is not ["GET", "HEAD"] or ["GET", "HEAD", "OPTIONS"]'
    ' or ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]'
)
MANAGED = (
    '"Managed-CachingOptimised" is not a cache policy (did you mean "Managed-CachingOptimized"?)'
)
DOCUMENT = {
    "CallerReference": "a", "Comment": "", "Enabled": True, "HttpVersion": "http3",
    "Origins": {"Quantity": 1, "Items": [{
        "Id": "web", "DomainName": "www.example.org", "CustomOriginConfig": {
            "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}}]},
    "DefaultCacheBehavior": {
        "TargetOriginId": "web", "ViewerProtocolPolicy": "allow-all",
        "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
        "FunctionAssociations": {"Quantity": 1, "Items": [{
            "FunctionARN": "arn:aws:cloudfront::123456789012:function/f",
            "EventType": "viewer-request"}]}},
}  # fmt: skip


def behavior(more: str) -> tuple[str, str]:
    return BEHAVIOR, f'{{ origin = "web", {more} }}'


def located(line: str) -> tuple[str, str]:
    return 'name = "LHR50"', f'name = "LHR50"\n{line}'


def told(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | bytes) -> list[str]:
    """Problems and warnings of a file, which are lines."""
    path = tmp_path / "edgecache.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "d.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "bad.json").write_text("{\n  x")
    with pytest.raises(typer.Exit):
        check_file(path, files=True, as_json=True)
    report = json.loads(capsys.readouterr().out)
    lines = [*report["problems"], *(f"warning: {one}" for one in report["warnings"])]
    return [line.replace(f"{tmp_path}/", "") for line in lines]


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (('"LHR50"', '"LHR50'), [r"not TOML: illegal character '\n' (at line 7, column 14)"]),
        (
            ("[[distributions]]", "[control]\n\n[[distributions]]"),
            ["not TOML: cannot declare ('control',) twice (at line 10, column 9)"],
        ),
        (
            ('listen = "127.0.0.1:8090"', 'lisen = "127.0.0.1:8090"'),
            ['edgecache.toml:4:1: control.lisen: unknown key (did you mean "listen"?)'],
        ),
        (
            ("[[distributions]]", "[[distribution]]"),
            ['edgecache.toml:10:1: distribution: unknown key (did you mean "distributions"?)'],
        ),
        (
            behavior('viewer_protocol_policy = "redirect"'),
            [f'edgecache.toml:14:38: {IN}.viewer_protocol_policy: "redirect" is not one of'
             ' "allow-all", "https-only", "redirect-to-https"'],
        ),
        (
            (BEHAVIOR, '{ origin = "wbe" }'),
            [f'edgecache.toml:14:22: {IN}.origin: "wbe" is not an origin (known: "web")'],
        ),
        (
            behavior('cache_policy = "Managed-CachingOptimised"'),
            [f"edgecache.toml:14:38: {IN}.cache_policy: {MANAGED}"],
        ),
        (
            ("9000", "70000"),
            [f"edgecache.toml:13:53: {SITE}.origins[0].http_port: 70000 is outside 1 to 65535"],
        ),
        (
            located("workers = 0"),
            ["edgecache.toml:8:1: locations[0].workers: 0 is outside 1 to 64 processes"],
        ),
        (
            ("9000", '"9000"'),
            [f"edgecache.toml:13:53: {SITE}.origins[0].http_port:"
             ' expected a whole number without quotes, got "9000"'],
        ),
        (behavior('cache_policy = { ttl_s_default = "5m" }'), []),  # as sizes have units
        (
            ("127.0.0.1:8080", "127.0.0.1"),
            ['edgecache.toml:8:1: locations[0].listen: "127.0.0.1" is not HOST:PORT or unix:NAME'],
        ),
        (
            ('"127.0.0.1", http', '"http://127.0.0.1", http'),
            [f'edgecache.toml:13:26: {SITE}.origins[0].domain_name: "http://127.0.0.1" is not a'
             " host name (leave out the scheme; ports are http_port and https_port)"],
        ),
        (
            located('memory_bytes = "256 M"'),
            ['edgecache.toml:8:1: locations[0].memory_bytes: "256 M" is not a size'
             ' (like "256 MiB")'],
        ),
        (
            (f"default_behavior = {BEHAVIOR}\n",
             f'default_behavior = {BEHAVIOR}\nbehaviors = [\n  {{ path_pattern = "/a", origin ='
             ' "web" },\n  { path_pattern = "/a", origin = "web" },\n]\n'),
            [f'edgecache.toml:17:5: {SITE}.behaviors[1].path_pattern: "/a" is already the pattern'
             " of behaviors[0], so this one is never reached"],
        ),
        (
            ('["www.example.com"]', '["www.example.com", "www.example.com"]'),
            [f'edgecache.toml:12:31: {SITE}.aliases[1]: "www.example.com" is already'
             f" {SITE}.aliases[0]"],
        ),
        (
            ("127.0.0.1:8080", "127.0.0.1:8090"),
            ['edgecache.toml:8:1: locations[0].listen: "127.0.0.1:8090" is already taken by'
             " control.listen"],
        ),
        (
            behavior('allowed_methods = ["GET", "POST"]'),
            [f'edgecache.toml:14:38: {IN}.allowed_methods: ["GET", "POST"] {METHODS}'],
        ),
        (
            behavior('allowed_methods = ["get"]'),
            [f'edgecache.toml:14:38: {IN}.allowed_methods: ["get"] {METHODS}, in capitals'],
        ),
        (
            located('certificate_file = "a.pem"'),
            ["edgecache.toml:8:1: locations[0].certificate_file: unknown key: certificate_file"
             " belongs to [control] or [dns] and others"],
        ),
        (
            behavior("DefaultTTL = 60"),
            [f"edgecache.toml:14:38: {IN}.DefaultTTL: unknown key: ttl_s_default belongs to"
             " [distributions.default_behavior.cache_policy] or"
             " [distributions.default_behavior.forwarded_values] and others"],
        ),
        (
            ("aliases =",
             'viewer_certificate = { certificate_file = "c.pem", key_file = "c.key" }\naliases ='),
            [f"edgecache.toml:12:24: {SITE}.viewer_certificate.certificate_file: no such file:"
             " c.pem",
             f"edgecache.toml:12:52: {SITE}.viewer_certificate.key_file: no such file: c.key"],
        ),
        (
            ("[[locations]]",
             '[bucket]\nlisten = "127.0.0.1:9000"\nfolder = "none"\n\n[[locations]]'),
            ["edgecache.toml:8:1: bucket.folder: no such folder: none"],
        ),
        (
            behavior("compress = true, cache_policy = { ttl_s_default = 60 }"),
            [f"warning: edgecache.toml:14:38: {IN}.compress: does nothing: the cache policy has"
             " neither accept_encoding_gzip nor accept_encoding_brotli = true"],
        ),
        (
            (BY_FILE, 'file = "d.json"\n'),
            [f'edgecache.toml:10:1: {IN}.function_associations[0].function: "f" is not a live'
             " function"],
        ),
        (
            (BY_FILE, 'file = "bad.json"\n'),
            [f'bad.json:2:3: {SITE}.file: "bad.json" is not JSON: Expecting property name'
             " enclosed in double quotes"],
        ),
        (
            (BY_FILE, 'file = "none.json"\n'),
            [f'edgecache.toml:13:1: {SITE}.file: "none.json": no such file or directory'],
        ),
        ((GOOD, ""), ["warning: nothing to run: no control, regional, bucket or locations"]),
        (
            (GOOD, "control:\n  listen: 127.0.0.1:8090\n"),
            ["not TOML: expected '=' after a key in a key/value pair (at line 1, column 8);"
             " this looks like YAML: a table is [NAME], a value NAME = VALUE"],
        ),
        (
            (BEHAVIOR, f'{BEHAVIOR}\nbehaviors = [{{ path_pattern = "*", origin = "web" }},'
             ' { path_pattern = "/a/*", origin = "web" }]'),
            [f'warning: edgecache.toml:15:56: {SITE}.behaviors[1].path_pattern: "/a/*" can never'
             ' match: "/*" stands before it',
             f"warning: edgecache.toml:14:1: {IN}: is never reached: a pattern before takes all"],
        ),
        (
            behavior('cache_policy = "Managed-CachingOptimized",'
                     ' origin_request_policy = "Managed-AllViewer"'),
            [f"warning: edgecache.toml:14:38: {IN}.cache_policy.ttl_s_min: 1 holds even for"
             " no-store and private, and the origin is sent cookies or Authorization",
             f"warning: edgecache.toml:14:81: {IN}.origin_request_policy.cookies: are sent and not"
             " in the key: one viewer's answer is served to others",
             f"warning: edgecache.toml:14:81: {IN}.origin_request_policy.headers: send"
             " Authorization, which is not in the key: what one viewer may see is served to all"],
        ),
    ],
)  # fmt: skip
def test_each_break_is_told_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], lines: list[str]
) -> None:
    before, after = change
    assert before in GOOD
    assert told(tmp_path, capsys, GOOD.replace(before, after, 1)) == lines


def test_what_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(tmp_path, capsys, b"\n\xff\xfe\x00") == ["not UTF-8 (at line 2)"]


def test_what_is_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, why in (
        (tmp_path / "none", "no such file or directory"),
        (tmp_path, "is a directory"),
    ):
        with pytest.raises(typer.Exit):
            check_file(path, files=True, as_json=True)
        assert json.loads(capsys.readouterr().out)["problems"] == [why]
