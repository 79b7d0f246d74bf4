"""Terraform's states: what the AWS provider keeps of each resource, read back.

The state is written by hand after the provider's schema (hashicorp/aws 6).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgecache.config.load import load
from edgecache.control.migration.folder import FolderSettings, write_folder
from edgecache.control.migration.resource_documents import MigrationError
from edgecache.control.migration.terraform_state import is_state, read_state
from edgecache.rules.routing import compile_routes

STATE = Path(__file__).parents[2] / "templates" / "terraform" / "state.json"
RECORDED = STATE.with_name("recorded.json")


def state() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(STATE.read_text())
    return found


def test_a_state_is_loaded(tmp_path: Path) -> None:
    document = state()
    assert is_state(document)
    write_folder(read_state(document, "state"), tmp_path / "a", FolderSettings(), replace=False)
    config = load(tmp_path / "a" / "edgecache.toml")
    (site,) = config.distributions
    assert site.id == "E1SITE"
    assert site.caller_reference == "terraform-20260101"
    bucket, api = site.origins
    assert (bucket.kind, bucket.access_control_id) == ("s3", "E2OAC")
    assert (api.path, api.read_timeout_s, api.custom_headers) == ("/v1", 20, {"X-Verify": "secret"})
    assert site.origin_groups[0].members == ("api", "bucket")
    default = site.default_behavior
    assert default.allowed_methods == ("GET", "HEAD", "OPTIONS")
    assert default.cache_policy.query_strings.items == ("page", "size")
    assert default.cache_policy.ttl_s_default == 60
    assert default.response_headers_policy is not None
    assert default.response_headers_policy.custom[0].name == "X-Site"
    assert default.function_associations[0].function == "rewrite"
    (behavior,) = site.behaviors
    assert behavior.forwarded_values is not None
    assert behavior.forwarded_values.cookie_names == ("session",)
    pages = [(one.error_code, one.response_code) for one in site.custom_error_responses]
    assert pages == [(404, 200), (503, None)]
    assert config.key_value_stores[0].items == {"beta": "on"}
    assert config.functions[0].key_value_stores == (config.key_value_stores[0].id,)


def test_what_is_not_taken_over_is_named() -> None:
    document = state()
    resources = document["values"]["root_module"]["resources"]
    resources.append({"address": "aws_cloudfront_vpc_origin.v", "mode": "managed",
                      "type": "aws_cloudfront_vpc_origin", "values": {}})  # fmt: skip
    resources.append({"address": "aws_cloudfront_monitoring_subscription.m", "mode": "managed",
                      "type": "aws_cloudfront_monitoring_subscription", "values": {}})  # fmt: skip
    module = document["values"]["root_module"]["child_modules"][0]
    module["resources"][0]["values"]["color"] = "red"
    found = read_state(document, "state")
    assert sorted(map(str, found.problems)) == [
        "aws_cloudfront_vpc_origin.v: aws_cloudfront_vpc_origin is not taken over",
        "module.cdn.aws_cloudfront_distribution.site.color: CloudFront has no such member",
    ]
    assert [one.where for one in found.left_out] == ["aws_cloudfront_monitoring_subscription.m"]


def test_a_plan_is_refused() -> None:
    document = state()
    document["planned_values"] = document.pop("values")
    with pytest.raises(MigrationError, match="a plan has not all values"):
        read_state(document, "plan")


def test_continuous_deployment(tmp_path: Path) -> None:
    document = state()
    (module,) = document["values"]["root_module"]["child_modules"]
    resources = module["resources"]
    (primary,) = [one for one in resources if one["type"] == "aws_cloudfront_distribution"]
    staging = json.loads(json.dumps(primary))
    staging["address"] = "aws_cloudfront_distribution.next"
    staging["values"] |= {
        "id": "E2NEXT", "domain_name": "dnext.cloudfront.net", "staging": True, "aliases": [],
        "caller_reference": "next",
    }  # fmt: skip
    primary["values"]["continuous_deployment_policy_id"] = "p-1"
    names = [{"items": ["dnext.cloudfront.net"], "quantity": 1}]
    policy = {
        "address": "aws_cloudfront_continuous_deployment_policy.p", "mode": "managed",
        "type": "aws_cloudfront_continuous_deployment_policy",
        "values": {
            "id": "p-1", "etag": "E1", "last_modified_time": "2026-12-01", "enabled": True,
            "staging_distribution_dns_names": names,
            "traffic_config": [{
                "type": "SingleWeight", "single_header_config": [],
                "single_weight_config": [{"weight": 0.05, "session_stickiness_config": [
                    {"idle_ttl": 300, "maximum_ttl": 600}]}],
            }],
        },
    }  # fmt: skip
    resources += [staging, policy]
    write_folder(read_state(document, "state"), tmp_path / "a", FolderSettings(), replace=False)
    table = compile_routes(load(tmp_path / "a" / "edgecache.toml")).by_id
    rule = table["E1SITE"].traffic
    assert table["E1SITE"].staging is table["E2NEXT"]
    assert rule is not None
    assert (rule.weight, rule.idle_s, rule.session_s_max) == (0.05, 300, 600)
    names[0]["items"] = ["gone.cloudfront.net"]
    (problem,) = read_state(document, "state").problems
    assert "staging distribution gone.cloudfront.net is not in the state" in str(problem)


def test_what_terraform_printed_itself_is_loaded(tmp_path: Path) -> None:
    """`recorded.json` is of Terraform 1.11 and hashicorp/aws 5.100, which applied `recorded.tf`."""
    documents = read_state(json.loads(RECORDED.read_text()), "recorded")
    (left,) = documents.left_out
    assert left.where == "aws_cloudfront_monitoring_subscription.site"
    write_folder(documents, tmp_path / "a", FolderSettings(), replace=False)
    config = load(tmp_path / "a" / "edgecache.toml")
    sites = {one.comment: one for one in config.distributions}
    primary, following = sites["primary"], sites["next"]
    assert (primary.aliases, following.staging) == (("www.example.org",), True)
    assert compile_routes(config).by_id[primary.id].staging is not None
    (origin,) = primary.origins
    assert (origin.domain_name, origin.custom_headers) == ("web.example.org", {"X-From": "cdn"})
    default = primary.default_behavior
    assert default.cache_policy.query_strings.items == ("page",)
    assert default.cache_policy.headers.items == ("Accept-Language",)
    assert default.function_associations[0].function == "rewrite"
    assert default.response_headers_policy is not None
    (behavior,) = primary.behaviors
    assert behavior.path_pattern == "/api/*"
    assert behavior.forwarded_values is not None
    assert behavior.forwarded_values.cookies == "all"
    (page,) = primary.custom_error_responses
    assert (page.error_code, page.response_code) == (404, 200)
    again = write_folder(documents, tmp_path / "a", FolderSettings(), replace=False)
    assert (again.new, again.changed) == ([], [])
