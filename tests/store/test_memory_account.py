"""The account: what is held beside the store adds up, and the store has what is left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgecache.http.message import Response
from edgecache.store.entry import Entry
from edgecache.store.memory import MemoryStore
from edgecache.store.memory_account import LARGE_BYTES, LEAST_BYTES, MemoryAccount, MemoryHolding

MIB = 1024 * 1024
HEAD = Response(200, b"", ())


def entry(key: str, size: int) -> Entry:
    return Entry(key.encode(), HEAD, bytes(bytearray(size)))


def test_it_says_what_is_short_as_it_fills() -> None:
    account = MemoryAccount(400 * MIB)
    told = []
    for _ in range(4):
        told.append((account.waits, account.keeps, account.admits))
        account.add(MemoryHolding.FILLS, 101 * MIB)
    assert told == [(False, True, True), (True, True, True), (True, False, True),
                    (True, False, False)]  # fmt: skip
    account.add(MemoryHolding.FILLS, -404 * MIB)
    account.check()


def test_a_process_that_may_store_next_to_nothing_serves_all_the_same() -> None:
    account = MemoryAccount(1)
    account.add(MemoryHolding.UNSENT, LEAST_BYTES // 4)
    assert account.keeps
    assert account.admits


def test_a_body_that_is_sent_to_many_counts_once_and_not_while_the_store_has_it() -> None:
    account = MemoryAccount(64 * MIB)
    store = MemoryStore(8 * MIB, account=account)
    stored = entry("a", MIB)
    assert store.put(stored)
    account.lend(stored.body)
    account.lend(stored.body)
    assert account.total == 0
    store.remove(b"a")
    assert account.held[MemoryHolding.SENT] == MIB
    account.give_back(stored.body)
    assert account.held[MemoryHolding.SENT] == MIB
    store.put(entry("b", MIB))
    again = stored.renewed(HEAD, (), mark=0, tags=())
    store.put(again)
    assert account.total == 0
    store.remove(b"a")
    account.give_back(stored.body)
    account.check()


def test_what_is_small_is_not_told_apart() -> None:
    account = MemoryAccount(64 * MIB)
    store = MemoryStore(8 * MIB, account=account)
    small = entry("a", LARGE_BYTES - 1)
    store.put(small)
    account.lend(small.body)
    store.remove(b"a")
    assert account.total == 0
    account.give_back(small.body)
    account.check()


def test_the_store_gives_way_and_comes_back() -> None:
    account = MemoryAccount(64 * MIB)
    store = MemoryStore(32 * MIB, account=account)
    for number in range(31):
        store.put(entry(f"{number}", MIB))
    account.add(MemoryHolding.FILLS, 20 * MIB)
    assert store.size_bytes <= 12 * MIB
    store.check()
    account.add(MemoryHolding.FILLS, 40 * MIB)
    assert 0 < store.size_bytes <= 4 * MIB, "an eighth of it stays, whatever is held"
    account.add(MemoryHolding.FILLS, -60 * MIB)
    for number in range(100, 131):
        store.put(entry(f"{number}", MIB))
    assert store.size_bytes > 12 * MIB
    store.check()


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["put", "remove", "lend", "back"]))))
def test_it_is_what_is_sent_and_not_stored_whatever_comes_after_what(
    steps: list[tuple[int, str]],
) -> None:
    account = MemoryAccount(1 << 40)
    store = MemoryStore(1 << 30, account=account)
    entries = [entry(f"{number}", LARGE_BYTES + number) for number in range(4)]
    lent = [0] * 4
    for number, step in steps:
        if step == "put":
            store.put(entries[number].renewed(HEAD, (), mark=0, tags=()))
        elif step == "remove":
            store.remove(entries[number].key)
        elif step == "lend":
            account.lend(entries[number].body)
            lent[number] += 1
        elif lent[number]:
            account.give_back(entries[number].body)
            lent[number] -= 1
        expected = sum(
            len(one.body)
            for one, count in zip(entries, lent, strict=True)
            if count and not store.has(one.key)
        )
        assert account.held[MemoryHolding.SENT] == account.total == expected


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from([MIB // 8, MIB, 3 * MIB]), st.booleans()),
        max_size=30,
    )
)
def test_what_is_being_sent_may_leave_the_store_while_something_else_enters(
    puts: list[tuple[int, int, bool]],
) -> None:
    """Then the account grows in the midst of the store's change, and must not ask for another."""
    account = MemoryAccount(64 * MIB)
    store = MemoryStore(8 * MIB, account=account)
    sent = []
    for key, size, lent in puts:
        new = entry(str(key), size)
        if store.put(new) and lent:
            account.lend(new.body)
            sent.append(new.body)
        store.check()
        assert account.held[MemoryHolding.SENT] == sum(
            len(body) for body in sent if not any(one.body is body for one in store)
        )
    for body in sent:
        account.give_back(body)
    account.check()


def test_an_entry_that_is_renewed_while_it_is_sent_drives_out_no_other() -> None:
    account = MemoryAccount(64 * MIB)
    store = MemoryStore(8 * MIB, account=account)
    sent, other = entry("sent", 3 * MIB), entry("other", 4 * MIB)
    assert store.put(sent)
    assert store.put(other)
    account.lend(sent.body)
    assert store.put(sent.renewed(HEAD, (), mark=0, tags=()))
    assert other.alive
    assert account.total == 0
    account.give_back(sent.body)
