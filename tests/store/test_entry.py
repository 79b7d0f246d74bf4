"""Entries: facts as received, judged anew under each route."""

from __future__ import annotations

import pytest

from edgecache.config.model import CachePolicy
from edgecache.store.entry import ENTRY_OVERHEAD_BYTES, Entry
from tests.rules.pieces import answer, rfc_site, site_of
from tests.store.rendered import Rendered


def test_a_changed_policy_is_judged_anew_from_the_same_facts() -> None:
    entry = Entry(b"k", answer(200, "cache-control: max-age=60"), b"body")
    short = site_of(CachePolicy(ttl_s_max=5))
    long = site_of(CachePolicy(ttl_s_min=900, ttl_s_default=900))
    assert entry.assessment(short).lifetime_s == 5
    assert entry.assessment(long).lifetime_s == 900
    assert entry.assessment(rfc_site()).lifetime_s == 60
    assert entry.assessment(short).lifetime_s == 5


def test_an_assessment_is_made_once_for_a_route() -> None:
    entry = Entry(b"k", answer(200), b"")
    route = site_of()
    assert entry.assessment(route) is entry.assessment(route)


def test_it_is_dead_and_unused_until_a_store_says_otherwise() -> None:
    entry = Entry(b"k", answer(200), b"")
    assert (entry.alive, entry.uses, entry.part, entry.selected) == (False, 0, None, ())


@pytest.mark.parametrize(
    ("more", "grows_by"),
    [
        (Entry(b"k", answer(200), b"x" * 100), 100),
        (Entry(b"k" * 101, answer(200), b""), 100),
        (Entry(b"k", answer(200, "name: " + "x" * 100), b""), 100),
        pytest.param(
            Entry(b"k", answer(200), b"", ((b"cookie", b"x" * 100),)),
            100,
        ),
    ],
    ids=["body", "key", "fields", "selected"],
)
def test_its_size_counts_everything_that_is_kept(more: Entry, grows_by: int) -> None:
    bare = Entry(b"k", answer(200), b"")
    assert bare.size_bytes >= ENTRY_OVERHEAD_BYTES
    assert more.size_bytes >= bare.size_bytes + grows_by


def test_what_it_has_concluded_can_be_forgotten_and_its_facts_stay() -> None:
    head, route = answer(200, "cache-control: max-age=60"), rfc_site()
    entry = Entry(b"k", head, b"body")
    found = entry.assessment(route)
    assert entry.expires_at == head.received_at + 60
    entry.answer = Rendered(entry)
    entry.cool()
    assert entry.answer is None
    assert not entry.unpacked
    assert entry.head == head
    assert entry.assessment(route) == found
    entry.warm_up()
    assert entry.unpacked
