"""What viewers notice: single changes, each named and nothing else; and what nobody notices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgecache.config.load import load
from edgecache.config.model import Behavior, Config, Distribution
from edgecache.control.migration.folder import FolderSettings, write_folder
from edgecache.control.migration.viewer_changes import (
    BEHAVIOR_SUBJECTS,
    BEHAVIOR_UNSEEN,
    DISTRIBUTION_SUBJECTS,
    DISTRIBUTION_UNSEEN,
    ViewerChange,
    site_changes,
    viewer_changes,
)
from tests.control.cloudfront.desk import LOCATION_ALONE, Desk, open_desk
from tests.control.migration.test_live_account import documents_of, fill

BASE: dict[str, Any] = {
    "public_keys": [{"id": "K1", "pem": "one"}, {"id": "K2", "pem": "two"}],
    "key_groups": [{"id": "g1", "keys": ["K1"]}, {"id": "g2", "keys": ["K2"]}],
    "functions": [
        {"name": "f", "code": "function handler(event) { return event.request; }"},
        {"name": "g", "code": "function handler(event) { return event.response; }"},
    ],
    "origin_access_controls": [{"id": "E1", "name": "one"}],
    "distributions": [
        {
            "id": "E1",
            "aliases": ["www.example.org"],
            "origins": [
                {"id": "web", "domain_name": "web.example.org", "custom_headers": {"X-A": "1"}},
                {"id": "api", "domain_name": "api.example.org", "access_control_id": "E1"},
                {"id": "idle", "domain_name": "idle.example.org"},
            ],
            "origin_groups": [{"id": "both", "members": ["web", "api"], "status_codes": [500]}],
            "default_behavior": {"origin": "web", "cache_policy": {"id": "p", "name": "p"}},
            "behaviors": [
                {
                    "path_pattern": "/a/*",
                    "origin": "both",
                    "trusted_key_groups": ["g1"],
                    "function_associations": [{"event_type": "viewer-request", "function": "f"}],
                },
                {"path_pattern": "/b/*", "origin": "api"},
            ],
            "custom_error_responses": [{"error_code": 404, "response_page_path": "/404.html"}],
        }
    ],
}


def config(**paths: Any) -> Config:
    """The base with other values at paths such as `distributions.0.aliases`; None: without."""
    table = msgspec.json.decode(msgspec.json.encode(BASE))
    for path, value in paths.items():
        *steps, last = path.split(".")
        inner: Any = table
        for step in steps:
            inner = inner[int(step)] if isinstance(inner, list) else inner.setdefault(step, {})
        if isinstance(inner, list):
            inner[int(last)] = value
        elif value is None:
            del inner[last]
        else:
            inner[last] = value
    return msgspec.convert(table, Config)


SITE, DEFAULT, FIRST = (
    "distributions.0", "distributions.0.default_behavior", "distributions.0.behaviors.0",
)  # fmt: skip
LISTED = {"behavior": "whitelist", "items": ["a"]}
CHANGES: list[tuple[str, Any, tuple[str, str, str]]] = [
    (f"{SITE}.enabled", False, ("", "enabled", "enabled")),
    (f"{SITE}.aliases", ["www.example.net"], ("", "names", "aliases")),
    (f"{SITE}.domain_name", "d1.cloudfront.net", ("", "names", "domain_name")),
    (f"{SITE}.default_root_object", "a.html", ("", "root object", "default_root_object")),
    (f"{SITE}.custom_error_responses.0.response_code", 200,
     ("", "error pages", "custom_error_responses[0].response_code")),
    (f"{SITE}.geo_restriction", {"kind": "whitelist", "countries": ["GB"]},
     ("", "countries", "geo_restriction")),
    (f"{SITE}.viewer_certificate", {"minimum_protocol_version": "TLSv1.2_2021"},
     ("", "certificate", "minimum_protocol_version")),
    (f"{SITE}.http_version", "http2and3", ("", "HTTP versions", "http_version")),
    (f"{SITE}.cache_tag_header", "X-Tag", ("", "cache tags", "cache_tag_header")),
    (f"{SITE}.cache_control_targets", ["X-C"], ("", "ttl", "cache_control_targets")),
    (f"{SITE}.semantics", "rfc9111", ("", "semantics", "semantics")),
    (f"{SITE}.releases", [{"pattern": "*", "current": 2}], ("", "release", "releases")),
    (f"{SITE}.origins.0.domain_name", "w.example.org", ("origin web", "origin", "domain_name")),
    (f"{SITE}.origins.0.http_port", 81, ("origin web", "origin", "http_port")),
    (f"{SITE}.origins.0.path", "/v2", ("origin web", "origin", "path")),
    (f"{SITE}.origins.0.custom_headers", {"X-A": "2"},
     ("origin web", "origin", "custom_headers.X-A")),
    (f"{SITE}.origins.0.read_timeout_s", 5, ("origin web", "origin", "read_timeout_s")),
    ("origin_access_controls.0.signing_behavior", "never",
     ("origin api", "origin", "access_control.signing_behavior")),
    (f"{SITE}.origin_groups.0.status_codes", [500, 502],
     ("/a/*", "origin", "origin.status_codes")),
    (f"{DEFAULT}.origin", "api", ("default", "origin", "origin")),
    (f"{DEFAULT}.viewer_protocol_policy", "https-only",
     ("default", "protocol", "viewer_protocol_policy")),
    (f"{DEFAULT}.allowed_methods", ["GET", "HEAD", "OPTIONS"],
     ("default", "methods", "allowed_methods")),
    (f"{DEFAULT}.cached_methods", ["GET", "HEAD", "OPTIONS"],
     ("default", "cached methods", "cached_methods")),
    (f"{DEFAULT}.compress", True, ("default", "compression", "compress")),
    (f"{DEFAULT}.cache_policy.accept_encoding_gzip", True,
     ("default", "compression", "accept_encoding_gzip")),
    (f"{DEFAULT}.cache_policy.ttl_s_default", 5, ("default", "ttl", "ttl_s_default")),
    (f"{DEFAULT}.cache_policy.ttl_s_max", 9, ("default", "ttl", "ttl_s_max")),
    (f"{DEFAULT}.cache_policy.headers", LISTED, ("default", "key", "headers")),
    (f"{DEFAULT}.cache_policy.query_strings", {"behavior": "all"},
     ("default", "key", "query_strings")),
    (f"{DEFAULT}.cache_policy.cookies", LISTED, ("default", "key", "cookies")),
    (f"{DEFAULT}.origin_request_policy", {"headers": {"behavior": "allViewer"}},
     ("default", "forwarded", "headers")),
    (f"{DEFAULT}.response_headers_policy", {"remove": ["X-P"]},
     ("default", "response headers", "remove")),
    (f"{DEFAULT}.trusted_signers", ["self"], ("default", "access", "trusted_signers")),
    (f"{FIRST}.trusted_key_groups", ["g2"], ("/a/*", "access", "trusted_key_groups")),
    ("public_keys.0.pem", "another", ("/a/*", "access", "trusted_key_groups")),
    (f"{FIRST}.function_associations.0.function", "g",
     ("/a/*", "functions", "function_associations.viewer-request")),
    ("functions.0.code", "function handler(event) { return event.request }",
     ("/a/*", "functions", "function_associations.viewer-request")),
    (f"{SITE}.behaviors", BASE["distributions"][0]["behaviors"][:1], ("/b/*", "behavior", "")),
    (f"{SITE}.behaviors", [*BASE["distributions"][0]["behaviors"],
                           {"path_pattern": "/c", "origin": "web"}], ("/c", "behavior", "")),
    (f"{SITE}.behaviors", BASE["distributions"][0]["behaviors"][::-1],
     ("", "order of behaviors", "")),
    ("brand", "own", ("", "brand", "brand")),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "told"), CHANGES, ids=lambda one: str(one)[:40])
def test_a_single_change_is_named_and_nothing_else(
    path: str, value: Any, told: tuple[str, str, str]
) -> None:
    (change,) = viewer_changes(config(), config(**{path: value}))
    whole = (change.place, change.subject, change.path)
    assert whole[:2] == told[:2]
    assert whole[2].startswith(told[2])
    assert change.before != change.after or "X-A" in path or "custom_headers" in path
    (back,) = viewer_changes(config(**{path: value}), config())
    assert (back.place, back.subject) == (change.place, change.subject)
    assert (back.before, back.after) == (change.after, change.before)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{SITE}.comment", "other"),
        (f"{SITE}.tags", {"a": "b"}),
        (f"{SITE}.price_class", "PriceClass_100"),
        (f"{SITE}.caller_reference", "other"),
        (f"{DEFAULT}.cache_policy.name", "other"),
        (f"{DEFAULT}.cache_policy.id", "other"),
        (f"{DEFAULT}.allowed_methods", ["HEAD", "GET"]),
        (f"{SITE}.origins.2.domain_name", "nobody-asks.example.org"),
        (f"{FIRST}.realtime_log", "log"),
        ("origin_access_controls.0.description", "other"),
        ("functions.0.comment", "other"),
        ("key_groups.0.name", "other"),
        ("state_dir", "elsewhere"),
    ],
)
def test_what_nobody_notices(path: str, value: Any) -> None:
    assert [*viewer_changes(config(), config(**{path: value}))] == []


def test_every_field_has_a_subject_or_is_unseen() -> None:
    for model, subjects, unseen in (
        (Behavior, BEHAVIOR_SUBJECTS, BEHAVIOR_UNSEEN),
        (Distribution, DISTRIBUTION_SUBJECTS, DISTRIBUTION_UNSEEN),
    ):
        assert {*model.__struct_fields__} == subjects.keys() | unseen
        assert not subjects.keys() & unseen


def test_a_secret_is_told_to_differ_and_not_shown() -> None:
    (change,) = viewer_changes(
        config(), config(**{f"{SITE}.origins.0.custom_headers": {"X-A": "password"}})
    )
    assert "password" not in f"{change.before}{change.after}"


def test_distributions_that_come_and_go() -> None:
    one, none = config(), msgspec.structs.replace(config(), distributions=())
    (gone,) = viewer_changes(one, none)
    assert (gone.subject, gone.after) == ("distribution", None)
    assert "www.example.org" in str(gone.before)
    (new,) = viewer_changes(none, one)
    assert (new.before, new.after) == (None, gone.before)


def test_two_distributions_of_different_ids() -> None:
    other = config(**{f"{SITE}.id": "E2", f"{SITE}.domain_name": "d1.cloudfront.net"})
    same = config(**{f"{SITE}.domain_name": "d1.cloudfront.net"})
    sides = [(one, one.distributions[0]) for one in (same, other)]
    assert [*site_changes(*sides)] == []


def test_an_effect_on_what_is_stored() -> None:
    change = ViewerChange("E1", "default", "key", "headers", None, None)
    assert "misses first" in change.effect
    assert ViewerChange("E1", "default", "methods", "", None, None).effect == ""


def test_a_live_account_and_its_import_do_not_differ(tmp_path: Path) -> None:
    for name in ("there",):
        (tmp_path / name).mkdir()
    with open_desk(tmp_path / "there", LOCATION_ALONE) as there:
        id = fill(there.client())
        write_folder(documents_of(there, id), tmp_path / "s", FolderSettings(), replace=False)
        imported = load(tmp_path / "s" / "edgecache.toml")
        assert [*viewer_changes(running(there), imported)] == []


def running(desk: Desk) -> Config:
    """What an operator is told of the running state."""
    answer = desk.asks("GET", "/configuration", headers=desk.token())
    assert answer.status_code == 200
    return msgspec.convert(answer.json()["configuration"], Config)


def test_what_runs_is_for_callers_without_limits(tmp_path: Path) -> None:
    with open_desk(tmp_path, LOCATION_ALONE) as desk:
        assert desk.asks("GET", "/configuration").status_code == 401
        assert running(desk).brand == "cloudfront"
