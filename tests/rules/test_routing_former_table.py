"""What of a table is compiled anew when another configuration comes."""

from __future__ import annotations

from edgecache.config.model import Behavior, Config, Distribution, Location, Origin, RateLimit
from edgecache.rules.routing import RouteTable, compile_routes


def test_of_a_former_table_sites_are_kept_that_say_the_same() -> None:
    def config(comment: str) -> Config:
        sites = [
            Distribution(
                id=id,
                comment=comment if id == "E2" else "",
                aliases=(f"{id.lower()}.test",),
                origins=(Origin(id="o", domain_name="o.test"),),
                default_behavior=Behavior(origin="o", trusted_native_keys=trusted),
            )
            for id, trusted in (("E1", ()), ("E2", ()), ("E3", ("k",)))
        ]
        return Config(distributions=tuple(sites))

    native = {"k": "a secret of thirty-two characters"}
    before = compile_routes(config("before"), native)
    after = compile_routes(config("after"), native, before)
    assert after.by_id["E1"] is before.by_id["E1"]
    assert after.exact[b"e1.test"] is before.by_id["E1"]
    assert after.by_id["E2"].distribution.comment == "after"
    assert after.by_id["E3"] is not before.by_id["E3"]  # its keys may be others
    gone = compile_routes(Config(), native, after)
    assert gone.by_id == {}


def test_limits_of_a_location_come_first_on_every_route_and_are_compiled_anew() -> None:
    def config(*limits: RateLimit) -> Config:
        own = RateLimit(name="own", requests_per_s=1, burst=1)
        site = Distribution(
            id="E1",
            origins=(Origin(id="o", domain_name="o.test"),),
            default_behavior=Behavior(origin="o", rate_limits=(own,)),
            behaviors=(Behavior(origin="o", path_pattern="/a/*"),),
        )
        place = Location(name="LHR50", listen="127.0.0.1:1", rate_limits=limits)
        return Config(locations=(place,), distributions=(site,))

    def names(table: RouteTable) -> list[list[str]]:
        return [[rule.limit.name for rule in route.rate_limits] for route in table.routes()]

    key = RateLimit(name="all", key="header:X-Key", requests_per_s=1, burst=1)
    table = compile_routes(config(key), location="LHR50")
    assert names(table) == [["all"], ["all", "own"]]
    assert [rule.limit for rule in table.by_id["E1"].limits_by_fields] == [key]
    same = compile_routes(config(key), former=table, location="LHR50")
    assert same.by_id["E1"] is table.by_id["E1"]
    without = compile_routes(config(), former=table, location="LHR50")
    assert names(without) == [[], ["own"]]
    assert names(compile_routes(config(key))) == [[], ["own"]]  # elsewhere
