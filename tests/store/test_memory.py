"""The memory store: against a dictionary, within its budget, the least recently used out first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edgecache.rules.variants import Selected, answers
from edgecache.store.entry import Entry
from edgecache.store.memory import VARIANTS_MAX, MemoryStore
from tests.rules.pieces import answer, lines

BARE = Entry(b"a", answer(200), b"").size_bytes
BUDGET = 13 * BARE  # all variants of one key at their biggest, but not all keys
KEYS = st.sampled_from([b"a", b"b", b"c", b"d"])
LANGUAGES = [None, "de", "en", "fr"]


def entry(key: bytes = b"a", more_bytes: int = 0, language: str | None = None) -> Entry:
    """An entry of BARE and `more_bytes`; for one language, or for every request."""
    return Entry(key, answer(200), b"x" * more_bytes, selected(language))


def selected(language: str | None) -> Selected:
    return () if language is None else ((b"x-language", language.encode()),)


def asking(language: str | None) -> Any:
    return () if language is None else lines(f"x-language: {language}")


class Model(RuleBasedStateMachine):
    """A store beside a dictionary of lists. The store may forget keys, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore(BUDGET)
        self.model: dict[bytes, list[Entry]] = {}
        self.dead: list[Entry] = []

    @rule(
        key=KEYS,
        more=st.integers(0, 2 * BARE) | st.just(BUDGET),
        language=st.sampled_from(LANGUAGES),
    )
    def put(self, key: bytes, more: int, language: str | None) -> None:
        new = entry(key, more, language)
        former = self.model.pop(key, [])
        kept = [new, *(old for old in former if old.selected != new.selected)][:VARIANTS_MAX]
        fits = new.size_bytes <= BUDGET
        others = sum(each.size_bytes for each in self.alive())
        assert self.store.put(new) is fits
        self.dead += former
        if fits:
            self.model[key] = kept
            self.dead = [old for old in self.dead if old not in kept]
        if not former and fits and others + new.size_bytes <= BUDGET:
            assert all(each.alive for each in self.alive()), "forgotten without need"
        self.forget_what_was_evicted(but=key if fits else None)

    def forget_what_was_evicted(self, but: bytes | None) -> None:
        for key in [key for key in self.model if not self.store.has(key)]:
            assert key != but, "what was just put is gone"
            self.dead += self.model.pop(key)

    @rule(key=KEYS, language=st.sampled_from(LANGUAGES))
    def get(self, key: bytes, language: str | None) -> None:
        asked = asking(language)
        fitting = [each for each in self.model.get(key, []) if answers(each.selected, asked)]
        assert self.store.get(key, asked) is (fitting[0] if fitting else None)

    @rule(key=KEYS)
    def variants(self, key: bytes) -> None:
        assert self.store.variants(key) == tuple(self.model.get(key, ()))

    @rule(key=KEYS)
    def remove(self, key: bytes) -> None:
        gone = self.model.pop(key, [])
        assert self.store.remove(key) == len(gone)
        self.dead += gone

    @rule(keys=st.sets(KEYS))
    def touch(self, keys: set[bytes]) -> None:
        self.store.touch(keys)

    def alive(self) -> list[Entry]:
        return [each for entries in self.model.values() for each in entries]

    @invariant()
    def it_holds_what_the_dictionary_holds(self) -> None:
        self.store.check()
        assert {id(each) for each in self.store} == {id(each) for each in self.alive()}
        assert len(self.store) == len(self.model)
        assert self.store.size_bytes == sum(each.size_bytes for each in self.alive()) <= BUDGET
        assert all(each.alive for each in self.alive())
        assert not any(each.alive for each in self.dead)


Model.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=25)
TestModel = Model.TestCase


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(list(b"abcdefgh"))), max_size=40))
def test_the_least_recently_used_goes_first(steps: list[tuple[bool, int]]) -> None:
    store, order = MemoryStore(4 * BARE), list[bytes]()
    for puts, letter in steps:
        key = bytes([letter])
        if puts and key not in order:
            store.put(entry(key))
            order = [*order, key][-4:]
        elif not puts:
            assert (store.get(key, ()) is not None) is (key in order)
            order = [*(other for other in order if other != key), *([key] if key in order else [])]
        assert all(store.has(key) for key in order)
        assert len(store) == len(order)


def full() -> MemoryStore:
    """a, b, c, d in the order of their use, and no room."""
    store = MemoryStore(4 * BARE)
    for key in (b"b", b"a", b"c", b"d"):
        store.put(entry(key))
    store.get(b"b", ())
    for key in (b"c", b"d"):
        store.get(key, ())
    return store


def test_touched_is_used() -> None:
    store = full()
    store.touch({b"a", b"not there"})
    store.put(entry(b"e"))
    assert store.has(b"a")
    assert not store.has(b"b")
    assert store.evicted == 1


def test_asking_whether_it_is_there_is_not_use() -> None:
    store = full()
    assert store.has(b"a")
    store.put(entry(b"e"))
    assert not store.has(b"a")


@pytest.mark.parametrize("walk", [MemoryStore.check, list])
def test_a_walk_through_the_store_is_not_use(walk: Any) -> None:
    store = full()
    walk(store)
    store.put(entry(b"e"))
    assert not store.has(b"a")


def test_a_replacement_that_fits_evicts_nobody() -> None:
    store = MemoryStore(5 * BARE)
    for key in (b"b", b"a"):
        store.put(entry(key, BARE))
    assert store.put(entry(b"a", BARE + 1))
    assert store.has(b"b")
    assert store.evicted == 0


def test_variants_that_do_not_fit_together_lose_the_oldest() -> None:
    store = MemoryStore(5 * BARE)
    assert store.put(entry(b"a", BARE, "de"))
    assert store.put(entry(b"a", BARE, "en"))
    assert store.put(entry(b"a", BARE, "fr"))
    assert store.get(b"a", asking("de")) is None
    assert store.get(b"a", asking("en")) is not None
    assert store.get(b"a", asking("fr")) is not None


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
    store.check()


def test_the_newest_that_answers_is_given() -> None:
    store = MemoryStore(100 * BARE)
    every, german = entry(b"a"), entry(b"a", 0, "de")
    store.put(every)
    store.put(german)
    assert store.get(b"a", asking("de")) is german
    assert store.get(b"a", asking("en")) is every
    newest = entry(b"a")
    store.put(newest)
    assert store.get(b"a", asking("de")) is newest


def test_the_same_entry_put_again_stays() -> None:
    store = MemoryStore(100 * BARE)
    one = entry()
    assert store.put(one)
    assert store.put(one)
    assert store.variants(b"a") == (one,)
    store.check()
