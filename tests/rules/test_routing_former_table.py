"""What of a table is compiled anew when another configuration comes."""

from __future__ import annotations

from edgecache.config.model import Behavior, Config, Distribution, Origin
from edgecache.rules.routing import compile_routes


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
