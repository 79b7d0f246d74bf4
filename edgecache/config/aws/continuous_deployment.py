"""JSON of continuous deployment policies, read and written. API reference,
ContinuousDeploymentPolicyConfig: one domain name, and one of two kinds of traffic.
"""

from __future__ import annotations

from typing import Any

from edgecache.config.aws.document import DocumentNode, listing, raise_problems
from edgecache.config.aws.passthrough import EXTENSION
from edgecache.config.model import ContinuousDeploymentPolicy, SessionStickiness
from edgecache.config.problems import Problems

_NAMES = "StagingDistributionDnsNames"
_SINCE = "sessions_since"


def read_continuous_deployment_policy(document: dict[str, Any]) -> ContinuousDeploymentPolicy:
    """Read what `get-continuous-deployment-policy` prints, or the config alone. DocumentError."""
    problems = Problems()
    node, id = DocumentNode(document, "", problems), ""
    for name in ("ContinuousDeploymentPolicy", "ContinuousDeploymentPolicyConfig"):
        id = node.text("Id") if node.has("Id") else id
        node = node.child(name) if node.has(name) else node
    names = node.names(_NAMES)
    if len(names) != 1:
        node.wrong(_NAMES, "a policy has one staging distribution")
    policy = ContinuousDeploymentPolicy(
        id=id,
        staging_distribution=names[0] if names else "",
        enabled=node.flag("Enabled"),
        sessions_since=int(node.value.get(EXTENSION, {}).get(_SINCE, 0)),
        **_traffic(node),
    )
    raise_problems(problems)
    return policy


def _traffic(node: DocumentNode) -> dict[str, Any]:
    """Members of the model for TrafficConfig; without one no request goes to staging."""
    if not node.has("TrafficConfig"):
        return {"weight": 0.0}
    traffic = node.child("TrafficConfig")
    kind = traffic.text("Type")
    others = {"SingleWeight": "SingleHeaderConfig", "SingleHeader": "SingleWeightConfig"}
    if kind not in others:
        traffic.wrong("Type", "expected SingleWeight or SingleHeader")
        return {"weight": 0.0}
    if traffic.has(others[kind]):
        traffic.wrong(others[kind], f"not used with Type {kind}")
    inner = traffic.child(f"{kind}Config")
    if kind == "SingleHeader":
        return {"header": inner.text("Header"), "value": inner.text("Value")}
    weight = inner.value.get("Weight")
    if not isinstance(weight, int | float) or isinstance(weight, bool):
        inner.wrong("Weight", "expected a number")
        weight = 0.0
    if not inner.has("SessionStickinessConfig"):
        return {"weight": float(weight)}
    ttls = inner.child("SessionStickinessConfig")
    sessions = SessionStickiness(
        idle_ttl_s=ttls.number("IdleTTL"), maximum_ttl_s=ttls.number("MaximumTTL")
    )
    return {"weight": float(weight), "session_stickiness": sessions}


def continuous_deployment_policy_config(
    policy: ContinuousDeploymentPolicy, domain_name: str
) -> dict[str, Any]:
    """The ContinuousDeploymentPolicyConfig; `domain_name` is its staging distribution's."""
    traffic: dict[str, Any]
    if policy.header:
        header = {"Header": policy.header, "Value": policy.value}
        traffic = {"Type": "SingleHeader", "SingleHeaderConfig": header}
    else:
        weight: dict[str, Any] = {"Weight": policy.weight or 0.0}
        if policy.session_stickiness is not None:
            weight["SessionStickinessConfig"] = {
                "IdleTTL": policy.session_stickiness.idle_ttl_s,
                "MaximumTTL": policy.session_stickiness.maximum_ttl_s,
            }
        traffic = {"Type": "SingleWeight", "SingleWeightConfig": weight}
    return {_NAMES: listing([domain_name]), "Enabled": policy.enabled, "TrafficConfig": traffic}
