"""Since which version a field is there: `fields-0.1.0.txt` has those of 0.1.0."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from edgecache.config.model import ContinuousDeploymentPolicy, Quotas, SessionStickiness

FIRST = "0.1.0"
HEALTH_CHECK = (
    "id", "type", "address", "host", "port", "path", "search_string", "interval_s",
    "failure_threshold", "sni", "children", "health_threshold", "inverted", "disabled", "reach",
)  # fmt: skip
LATER: dict[tuple[str, str], str] = {
    ("Tracing", "otlp_endpoint"): "0.2.0",
    ("Tracing", "otlp_headers"): "0.2.0",
    ("Tracing", "otlp_ca_file"): "0.2.0",
    ("DnsSettings", "dnssec"): "Unreleased",
    ("DnsSettings", "certificate_file"): "Unreleased",
    ("DnsSettings", "key_file"): "Unreleased",
    ("DnsSettings", "health_checks"): "Unreleased",
    ("DnsZoneSettings", "dnssec"): "Unreleased",
    ("DnsRecord", "health_check"): "Unreleased",
    ("Origin", "health_check"): "Unreleased",
    **dict.fromkeys((("HealthCheck", one) for one in HEALTH_CHECK), "Unreleased"),
    ("Config", "quotas"): "Unreleased",
    ("Config", "continuous_deployment_policies"): "Unreleased",
    ("Distribution", "staging"): "Unreleased",
    ("Distribution", "continuous_deployment_policy"): "Unreleased",
    **{("SessionStickiness", one): "Unreleased" for one in SessionStickiness.__struct_fields__},
    **{
        ("ContinuousDeploymentPolicy", one): "Unreleased"
        for one in ContinuousDeploymentPolicy.__struct_fields__
        if one != "sessions_since"
    },
    **{("Quotas", name): "Unreleased" for name in Quotas.__struct_fields__},
    ("DnsSettings", "vpcs"): "Unreleased",
    ("DnsVpc", "id"): "Unreleased",
    ("DnsVpc", "clients"): "Unreleased",
    ("DnsVpc", "region"): "Unreleased",
}
"""Fields that came after it, by model and name: the version that had them first."""


@cache
def first_fields() -> frozenset[tuple[str, str]]:
    lines = Path(__file__).with_name("fields-0.1.0.txt").read_text().split()
    return frozenset((model, name) for model, _, name in (one.partition(".") for one in lines))


def since(model: str, name: str) -> str:
    """The version of a field. KeyError: one that is new, and has no row in LATER."""
    return FIRST if (model, name) in first_fields() else LATER[model, name]
