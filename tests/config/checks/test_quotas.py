"""Quotas of a file: a number is bounded by its setting alone, and the refusal names that."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.checks.configuration import check
from edgecache.config.checks.quotas import check_quotas
from edgecache.config.key_value_stores import KeyValueStoreConfig, store_id
from edgecache.config.model import (
    Behavior,
    Config,
    Distribution,
    FunctionConfig,
    KeyGroup,
    LambdaFunctionAssociation,
    Origin,
    OriginAccessControl,
    OriginAccessIdentity,
    OriginGroup,
    PythonHookConfig,
    Quotas,
    RealtimeLog,
)
from edgecache.config.problems import ProblemCode, Problems

BEHAVIOR = Behavior(origin="o")
ORIGIN = Origin(id="o", domain_name="o.test")
STORE = store_id("one")


def site(**members: Any) -> Config:
    made: dict[str, Any] = {"id": "E", "origins": (ORIGIN,), "default_behavior": BEHAVIOR}
    return Config(distributions=(Distribution(**made | members),))


def lambdas(count: int) -> Behavior:
    named = tuple(
        LambdaFunctionAssociation(event_type="viewer-request", function_arn=f"f:{n}")
        for n in range(count)
    )
    return Behavior(origin="o", lambda_function_associations=named)


def readers(count: int) -> tuple[FunctionConfig, ...]:
    return tuple(
        FunctionConfig(name=f"f{n}", code="x", key_value_stores=(STORE,)) for n in range(count)
    )


TABLE: list[tuple[str, str, Config]] = [
    ("distributions", "distributions", Config(distributions=site().distributions * 3)),
    ("origin_access_controls", "origin_access_controls",
     Config(origin_access_controls=tuple(OriginAccessControl(id=f"C{n}") for n in range(3)))),
    ("origin_access_identities", "origin_access_identities",
     Config(origin_access_identities=tuple(OriginAccessIdentity(id=f"I{n}") for n in range(3)))),
    ("functions", "functions",
     Config(functions=tuple(FunctionConfig(name=f"f{n}", code="x") for n in range(3)))),
    ("functions", "python_hooks",
     Config(python_hooks=tuple(
         PythonHookConfig(name=f"h{n}", module="m", function="f") for n in range(3)))),
    ("key_value_stores", "key_value_stores",
     Config(key_value_stores=tuple(KeyValueStoreConfig(name=f"s{n}") for n in range(3)))),
    ("realtime_log_configs", "realtime_logs",
     Config(realtime_logs=tuple(RealtimeLog(name=f"l{n}", stream="s") for n in range(3)))),
    ("public_keys_per_key_group", "key_groups[0].keys",
     Config(key_groups=(KeyGroup(id="g", keys=("a", "b", "c")),))),
    ("public_keys_per_key_group", "trusted_signers.self",
     Config(trusted_signers={"self": ("a", "b", "c")})),
    ("functions_per_key_value_store", "functions[2].key_value_stores[0]",
     Config(functions=readers(3))),
    ("aliases_per_distribution", "distributions[0].aliases",
     site(aliases=("a.test", "b.test", "c.test"))),
    ("cache_behaviors_per_distribution", "distributions[0].behaviors",
     site(behaviors=(BEHAVIOR,) * 3)),
    ("origins_per_distribution", "distributions[0].origins", site(origins=(ORIGIN,) * 3)),
    ("origin_groups_per_distribution", "distributions[0].origin_groups",
     site(origin_groups=(OriginGroup(id="g", members=("o", "p"), status_codes=(500,)),) * 3)),
    ("custom_headers_per_origin", "distributions[0].origins[0].custom_headers",
     site(origins=(Origin(id="o", domain_name="o.test",
                          custom_headers={"a": "", "b": "", "c": ""}),))),
    ("key_groups_per_cache_behavior", "distributions[0].default_behavior.trusted_key_groups",
     site(default_behavior=Behavior(origin="o", trusted_key_groups=("a", "b", "c")))),
    ("lambda_functions_per_distribution",
     "distributions[0].default_behavior.lambda_function_associations",
     site(default_behavior=lambdas(3))),
]  # fmt: skip


@pytest.mark.parametrize(("quota", "where", "config"), TABLE, ids=lambda one: str(one)[:40])
def test_a_number_is_bounded_by_its_setting(quota: str, where: str, config: Config) -> None:
    for most, expected in ((3, []), (2, [f"{where}: 3 are more than 2 (quotas.{quota})"])):
        found = Problems()
        check_quotas(_with(config, Quotas(**{quota: most})), found)
        assert [str(one) for one in found.found] == expected
        assert all(one.code is ProblemCode.TOO_MANY for one in found.found)


def _with(config: Config, quotas: Quotas) -> Config:
    members = {name: getattr(config, name) for name in config.__struct_fields__}
    return Config(**members | {"quotas": quotas})


def test_a_file_is_refused_beyond_what_it_says_itself() -> None:
    found = Problems()
    check(_with(site(aliases=("a.test", "b.test")), Quotas(aliases_per_distribution=1)), found)
    line = "distributions[0].aliases: 2 are more than 1 (quotas.aliases_per_distribution)"
    assert [str(one) for one in found.found] == [line]


def test_the_defaults_are_those_of_the_developer_guide() -> None:
    told = (500, 100, 75, 100, 10, 30, 4, 5, 20, 10)
    quotas = Quotas()
    assert told == (
        quotas.distributions,
        quotas.aliases_per_distribution,
        quotas.cache_behaviors_per_distribution,
        quotas.origins_per_distribution,
        quotas.origin_groups_per_distribution,
        quotas.custom_headers_per_origin,
        quotas.key_groups_per_cache_behavior,
        quotas.public_keys_per_key_group,
        quotas.cache_policies,
        quotas.headers_per_cache_policy,
    )
