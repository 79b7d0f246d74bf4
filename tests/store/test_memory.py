"""The memory store: against a dictionary, within its budget, in the order that was promised."""

from __future__ import annotations

from typing import Any
from weakref import ref

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edgecache.rules.caching.vary import Selected, answers, overlap
from edgecache.store.entry import Entry
from edgecache.store.eviction import LEAVING_FIRST, TRIAL_SHARE, EvictionReason
from edgecache.store.memory import VARIANTS_MAX, MemoryStore
from tests.rules.pieces import NOW, answer, lines, rfc_site
from tests.store.rendered import Rendered

BARE = Entry(b"a", answer(200), b"").size_bytes
BUDGET = 40 * BARE
KEYS = st.sampled_from([b"%d" % number for number in range(12)])
LANGUAGES = st.sampled_from([None, "de", "en", *(f"l{number}" for number in range(VARIANTS_MAX))])
WARM_MAX = 5


def entry(key: bytes = b"a", more_bytes: int = 0, language: str | None = None) -> Entry:
    """An entry of about BARE and `more_bytes`; for one language, or for every request."""
    return Entry(key, answer(200), b"x" * more_bytes, selected(language))


def expiring(key: bytes, ttl_s: int) -> Entry:
    """An entry that is assessed as what a tier stores, and received at NOW."""
    made = Entry(key, answer(200, f"cache-control: max-age={ttl_s}"), b"")
    made.assessment(rfc_site())
    return made


def selected(language: str | None) -> Selected:
    return () if language is None else ((b"x-language", language.encode()),)


def asking(language: str | None) -> Any:
    return () if language is None else lines(f"x-language: {language}")


class Model(RuleBasedStateMachine):
    """A store beside a dictionary of lists. The store may forget, to make room, and only then."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore(BUDGET, warm_max=WARM_MAX)
        self.model: dict[bytes, list[Entry]] = {}
        self.dead: list[Entry] = []
        self.made = 0
        self.now = NOW

    @rule(
        key=KEYS,
        more=st.integers(0, 2 * BARE) | st.integers(0, 9 * BARE) | st.just(BUDGET),
        language=LANGUAGES,
    )
    def put(self, key: bytes, more: int, language: str | None) -> None:
        self.keep(entry(key, more, language))

    @rule(key=KEYS, ttl_s=st.integers(0, 300))
    def put_what_expires(self, key: bytes, ttl_s: int) -> None:
        self.keep(expiring(key, ttl_s))

    def keep(self, new: Entry) -> None:
        self.made += 1
        taken = self.store.size_bytes
        former = self.model.pop(new.key, [])
        same = [old for old in former if old.selected == new.selected]
        older = [old for old in former if old not in same and overlap(old.selected, new.selected)]
        others = [old for old in former if old not in same and old not in older]
        roomy = taken + new.size_bytes <= BUDGET
        kept = self.store.put(new)
        if kept:
            self.model[new.key] = [new, *others][:VARIANTS_MAX]
        else:
            tried = new.size_bytes > BUDGET * TRIAL_SHARE and not same and not roomy
            assert tried or new.size_bytes > BUDGET
            self.model[new.key] = others
        self.dead += same + older + others[VARIANTS_MAX - 1 :] * kept + [new] * (not kept)
        if not roomy and kept:
            self.forget_what_made_room(new)

    def forget_what_made_room(self, new: Entry) -> None:
        gone = [each for each in self.alive() if not each.alive]
        assert new not in gone, "what was just put is gone"
        for each in gone:
            self.model[each.key].remove(each)
        self.dead += gone

    @rule(key=KEYS, language=LANGUAGES)
    def get(self, key: bytes, language: str | None) -> None:
        asked = asking(language)
        fitting = [each for each in self.model.get(key, []) if answers(each.selected, asked)]
        found = self.store.get(key, asked)
        assert found is (fitting[0] if fitting else None)
        assert found is None or found.unpacked is not None

    @rule(key=KEYS)
    def remove(self, key: bytes) -> None:
        gone = self.model.pop(key, [])
        assert self.store.remove(key) == len(gone)
        self.dead += gone

    @rule(key=KEYS, why=st.sampled_from(LEAVING_FIRST))
    def leave_first(self, key: bytes, why: EvictionReason) -> None:
        for each in [*self.model.get(key, []), *self.dead[-1:]]:
            self.store.leave_first(each, why)

    @rule(keys=st.sets(KEYS))
    def touch(self, keys: set[bytes]) -> None:
        for each in [each for key in keys for each in self.store.peek(key)]:
            each.uses += 1

    @rule(later_s=st.floats(0, 100))
    def tick(self, later_s: float) -> None:
        self.now += later_s
        self.store.tick(self.now)

    def alive(self) -> list[Entry]:
        return [each for entries in self.model.values() for each in entries]

    @invariant()
    def it_holds_what_the_dictionary_holds(self) -> None:
        self.store.check()
        for key, entries in self.model.items():
            assert self.store.variants(key) == tuple(entries)
            assert self.store.has(key) is bool(entries)
        alive = self.alive()
        assert {id(each) for each in self.store} == {id(each) for each in alive}
        assert len(self.store) == sum(bool(entries) for entries in self.model.values())
        assert self.store.size_bytes == sum(each.size_bytes for each in alive) <= BUDGET
        assert not any(each.alive for each in self.dead)
        assert sum(self.store.left.values()) <= self.made, "something left twice"


Model.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)
TestModel = Model.TestCase


def full() -> MemoryStore:
    """`0` to `39`, and no room."""
    store = MemoryStore(40 * BARE + 39)
    for number in range(40):
        store.put(entry(b"%d" % number))
    return store


def hits(store: MemoryStore, *keys: bytes) -> None:
    for key in keys:
        assert store.get(key, ()) is not None


def test_what_was_never_used_leaves_first_and_the_oldest_of_it_before() -> None:
    store = full()
    hits(store, b"0", b"2")
    store.put(entry(b"new"))
    assert [store.has(key) for key in (b"0", b"1", b"2", b"3")] == [True, False, True, True]
    assert (store.evicted, store.left) == (1, {EvictionReason.SIZE: 1})


def test_what_comes_once_never_drives_out_what_was_used() -> None:
    store = full()
    used = [b"%d" % number for number in range(0, 40, 2)]
    hits(store, *used)
    for number in range(400):
        assert store.put(entry(b"once-%d" % number))
    assert all(store.has(key) for key in used)


def test_who_comes_back_after_a_trial_stays_longer() -> None:
    store = full()
    store.put(entry(b"new"))
    assert not store.has(b"0")
    store.put(entry(b"0"))
    for number in range(100):
        store.put(entry(b"once-%d" % number))
    assert store.has(b"0")


def test_touched_is_used() -> None:
    store = full()
    store.peek(b"0")[0].uses += 1
    store.put(entry(b"new"))
    assert store.has(b"0")
    assert not store.has(b"1")


@pytest.mark.parametrize(
    "look",
    [
        MemoryStore.check,
        list,
        lambda store: store.has(b"0"),
        lambda store: store.peek(b"0"),
        lambda store: store.variants(b"0"),
    ],
    ids=["check", "walk", "has", "peek", "variants"],
)
def test_a_look_is_not_use(look: Any) -> None:
    store = full()
    look(store)
    store.put(entry(b"new"))
    assert not store.has(b"0")


@pytest.mark.parametrize("why", LEAVING_FIRST)
def test_what_is_of_no_more_use_leaves_before_anything_else(why: EvictionReason) -> None:
    store = full()
    hits(store, b"30")
    for found in store.peek(b"30"):
        store.leave_first(found, why)
    assert store.has(b"30"), "it is only the first to leave when room is needed"
    store.put(entry(b"new"))
    assert not store.has(b"30")
    assert store.left == {why: 1}


def test_what_has_expired_leaves_before_what_has_not() -> None:
    store = MemoryStore(10 * BARE)
    for number, ttl_s in enumerate((900, 60, 900)):
        store.put(expiring(b"%d" % number, ttl_s))
    store.put(entry(b"big", BUDGET - 33 * BARE - store.size_bytes))
    store.tick(NOW + 59)
    store.tick(NOW + 77)
    hits(store, b"1")
    store.put(entry(b"new", 2 * BARE))
    store.put(entry(b"new", 2 * BARE))
    assert not store.has(b"1")
    assert store.left[EvictionReason.EXPIRED] == 1
    assert store.has(b"0")


def test_what_was_renewed_has_its_new_time_to_expire() -> None:
    store = MemoryStore(BUDGET)
    store.put(expiring(b"1", 60))
    store.put(expiring(b"1", 900))
    store.tick(NOW + 100)
    store.put(entry(b"2", 37 * BARE))
    store.put(entry(b"3"))
    assert store.left == {EvictionReason.REPLACED: 1, EvictionReason.SIZE: 1}


def test_what_is_big_is_tried_only_while_there_is_room() -> None:
    store = full()
    assert not store.put(entry(b"big", 4 * BARE))
    assert store.evicted == 0
    assert store.put(entry(b"big", 4 * BARE)), "asked for again"
    assert store.has(b"big")
    assert MemoryStore(BUDGET).put(entry(b"big", 20 * BARE))


def test_a_replacement_that_fits_evicts_nobody() -> None:
    store = MemoryStore(5 * BARE)
    for key in (b"b", b"a"):
        store.put(entry(key, BARE))
    assert store.put(entry(b"a", BARE + 1))
    assert store.has(b"b")
    assert store.evicted == 0
    assert store.left == {EvictionReason.REPLACED: 1}


def test_what_is_too_big_is_refused_and_what_it_replaces_is_gone() -> None:
    store = MemoryStore(2 * BARE)
    old, other = entry(b"a"), entry(b"b")
    store.put(old)
    store.put(other)
    new = entry(b"a", 2 * BARE)
    assert not store.put(new)
    assert (old.alive, new.alive, other.alive) == (False, False, True)
    store.check()


def test_variants_are_bounded_and_the_newest_stay() -> None:
    store = MemoryStore(100 * BARE)
    made = [entry(b"a", 0, f"l{number}") for number in range(VARIANTS_MAX + 3)]
    for each in made:
        assert store.put(each)
    assert store.variants(b"a") == tuple(reversed(made[3:]))
    assert [each.alive for each in made] == [False] * 3 + [True] * VARIANTS_MAX
    assert store.left == {EvictionReason.VARIANTS: 3}
    store.check()


def test_the_newest_that_answers_is_given() -> None:
    store = MemoryStore(100 * BARE)
    every, german = entry(b"a"), entry(b"a", 0, "de")
    store.put(every)
    store.put(german)
    assert store.get(b"a", asking("de")) is german
    assert not every.alive  # a remembered answer of it would be given on to who asks in German
    assert store.get(b"a", asking("en")) is None
    newest = entry(b"a")
    store.put(newest)
    assert store.get(b"a", asking("de")) is newest
    assert not german.alive


def test_an_older_one_does_not_come_before_the_newest_that_answers() -> None:
    """As one does that is found on disk."""
    store, newer = MemoryStore(100 * BARE), Entry(b"a", answer(200, at=NOW + 1), b"")
    assert store.put(newer)
    assert not store.put(entry(b"a", 0, "de"))
    assert store.get(b"a", asking("de")) is newer


def test_the_same_entry_put_again_stays() -> None:
    store = MemoryStore(100 * BARE)
    one = entry()
    assert store.put(one)
    assert store.put(one)
    assert store.variants(b"a") == (one,)
    store.check()


def test_conclusions_are_kept_for_so_many_entries_and_facts_for_all() -> None:
    store = MemoryStore(BUDGET, warm_max=2)
    made = [entry(key) for key in (b"1", b"2", b"3")]
    for each in made:
        store.put(each)
        assert each.unpacked is None, "what nobody has used has no conclusions"
    for each in made:
        hits(store, each.key)
        each.answer = Rendered(each)
    assert [each.answer for each in made] == [None, Rendered(made[1]), Rendered(made[2])]
    assert made[0].head == made[1].head
    assert made[0].unpacked is None
    hits(store, b"1")
    assert made[0].unpacked is not None
    assert made[1].unpacked is None


def test_what_left_stays_in_no_cycle() -> None:
    class Answer:
        def __init__(self, of: Entry) -> None:
            self.entry = of

    store = full()
    (first,) = store.peek(b"0")
    first.answer = Answer(first)
    gone = ref(first.answer)
    store.put(entry(b"new"))
    assert not first.alive
    del first
    assert gone() is None
