"""Hypothesis chooses what befalls a world, and makes what breaks a promise short."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from edgecache.cluster.lease import LEASE_S
from edgecache.rules.invalidation.items import Item, ItemKind
from tests.simulation.control import PLACE
from tests.simulation.nodes import REGIONAL
from tests.simulation.objects import OBJECTS, PATTERNS, TAGS, TOKEN_BYTES, TOKENS, Object
from tests.simulation.origin import PLACE as ORIGIN
from tests.simulation.scene import Scene
from tests.simulation.world import World

EXAMPLES = 150
STEPS = 40
SHM = Path("/dev/shm")
EDGES = ("edge-1", "edge-2")
THINGS = st.sampled_from(OBJECTS)
ITEMS = st.one_of(
    THINGS.map(lambda thing: (ItemKind.PATH, thing.target)),
    st.sampled_from(PATTERNS).map(lambda pattern: (ItemKind.PATH, pattern)),
    st.sampled_from(TAGS).map(lambda tag: (ItemKind.TAG, tag)),
    st.sampled_from(((ItemKind.GLOB, "/?/*2"), (ItemKind.PREFIX, "/b/"))),
)
RANGES = st.one_of(
    st.none(), st.tuples(st.integers(0, TOKENS - 1), st.integers(0, TOKENS - 1)).map(sorted)
)


class Befalling(RuleBasedStateMachine):
    """One world. Its register raises where a promise is broken."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None)
        self.world: World

    @initialize(
        semantics=st.sampled_from(("cloudfront", "rfc9111")),
        when_down=st.sampled_from(("origin", "stale")),
        memory_bytes=st.sampled_from((64 * 1024 * 1024, 12_000)),
        disk=st.booleans(),
    )
    def begin(self, semantics: Any, when_down: str, memory_bytes: int, disk: bool) -> None:
        scene = Scene(semantics, len(EDGES), memory_bytes, when_down, disk=disk, failures_s=0)
        self.world = World("hypothesis", scene, Path(self.folder.name) / "state")
        self.world.pass_time(LEASE_S + 0.5)

    @rule(thing=THINGS)
    def bump(self, thing: Object) -> None:
        self.world.bump(thing)

    @rule(
        edge=st.sampled_from(EDGES),
        thing=THINGS,
        variant=st.sampled_from(("en", "de")),
        part=RANGES,
    )
    def get(self, edge: str, thing: Object, variant: str, part: list[int] | None) -> None:
        fields = b""
        if part is not None:
            first, last = part[0] * TOKEN_BYTES, (part[1] + 1) * TOKEN_BYTES - 1
            fields = b"Range: bytes=%d-%d\r\n" % (first, last)
        self.world.get(edge, thing, variant if thing.varies else "en", fields)

    @rule(item=ITEMS, soft=st.booleans())
    def invalidate(self, item: Item, soft: bool) -> None:
        self.world.invalidate((item,), soft=soft)

    @rule(thing=THINGS, soft=st.booleans())
    def publish(self, thing: Object, soft: bool) -> None:
        self.world.bump(thing)
        self.world.invalidate(((ItemKind.PATH, thing.target),), soft=soft)

    @rule(seconds=st.sampled_from((0.001, 0.01, 0.1, 1.0, LEASE_S + 0.2)))
    def tick(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule()
    def hold(self) -> None:
        self.world.origin.mood.held = True

    @precondition(lambda self: self.world.origin.mood.held)
    @rule()
    def release(self) -> None:
        self.world.origin.release()

    @rule(
        one=st.sampled_from((*EDGES, REGIONAL)),
        other=st.sampled_from((PLACE, REGIONAL, ORIGIN)),
        both=st.booleans(),
    )
    def cut(self, one: str, other: str, both: bool) -> None:
        if one != other:
            self.world.cut(one, other, both=both)

    @precondition(lambda self: self.world.links.cuts)
    @rule()
    def heal(self) -> None:
        self.world.heal()

    @rule(name=st.sampled_from((*EDGES, REGIONAL)))
    def kill_or_start(self, name: str) -> None:
        if name in self.world.nodes:
            self.world.kill(name)
        else:
            self.world.start(name)

    @rule(name=st.sampled_from((*EDGES, REGIONAL, PLACE)))
    def freeze_or_thaw(self, name: str) -> None:
        process = self.world.process_of(name)
        if process is not None and process.frozen:
            self.world.thaw(name)
        else:
            self.world.freeze(name)

    @rule()
    def kill_or_start_control(self) -> None:
        if self.world.control is None:
            self.world.start_control()
        else:
            self.world.kill_control()

    @rule()
    def kill_control_before_it_answers(self) -> None:
        if self.world.control is not None:
            self.world.control.deeds.dies_before_answer = 1.0

    @rule()
    def lose_database(self) -> None:
        self.world.lose_database()

    @rule(ttl_s=st.sampled_from((1, 31_536_000)))
    def change_policy(self, ttl_s: int) -> None:
        self.world.publish(ttl_s)

    @invariant()
    def nothing_is_broken(self) -> None:
        if hasattr(self, "world"):
            self.world.pass_time(0.0)

    def teardown(self) -> None:
        """All is mended, and what was accepted is Completed."""
        try:
            if hasattr(self, "world"):
                self.world.mend()
                self.world.pass_time(2 * LEASE_S)
                assert not self.world.register.waiting
        finally:
            if hasattr(self, "world"):
                self.world.close()
            self.folder.cleanup()


def test_no_promise_is_broken_whatever_befalls() -> None:
    run_state_machine_as_test(
        Befalling,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
