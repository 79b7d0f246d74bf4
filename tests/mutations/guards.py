"""The guards of what may be given to whom: where each stands, which play needs it."""

from __future__ import annotations

from tests.mutations.access_list_guards import ACCESS_LIST_GUARDS
from tests.mutations.control_guards import CONTROL_GUARDS
from tests.mutations.dashboard_guards import DASHBOARD_GUARDS
from tests.mutations.guard import Guard as Guard
from tests.mutations.http2_guards import HTTP2_GUARDS
from tests.mutations.http2_origin_guards import HTTP2_ORIGIN_GUARDS
from tests.mutations.key_value_guards import KEY_VALUE_GUARDS
from tests.mutations.reserve_guards import RESERVE_GUARDS
from tests.mutations.trace_guards import TRACE_GUARDS
from tests.mutations.viewer_rule_guards import VIEWER_RULE_GUARDS

LEASES = "tests/plays/test_invalidation_leases.py"
PRIVATE = "tests/plays/test_private_content.py"
KINDS = "tests/plays/test_invalidation_kinds.py"
ANOTHERS = "tests/plays/test_viewer_isolation.py"
UNSAFE = "tests/plays/test_unsafe_methods.py"
SHARED = "tests/plays/test_fill_sharing.py"
HEADS = "tests/plays/test_head_updates.py"
RANGES = "tests/plays/test_range_responses.py"
VARIANTS = "tests/plays/test_304_variants.py"
WITHDRAWN = "tests/plays/test_withdrawn_responses.py"
CAPTURED = "tests/hostile/test_peer_credentials.py"
BETWEEN = "tests/plays/test_304_between_tiers.py"


GUARDS = (
    Guard(
        "a hit compares its entry's mark",
        "store/invalidation.py",
        "if entry is not None and (entry.mark == self._marks.last or self._marks.stands(entry)):",
        "if entry is not None:",
        "test_2_",
    ),
    Guard(
        "the memo compares the entry's mark",
        "server/http1/head_cache.py",
        "and (entry.mark == marks.last or marks.stands(entry))",
        "",
        "test_2_",
    ),
    Guard(
        "what is remembered ends with what opened it",
        "server/http1/head_cache.py",
        "and now < cached.until",
        "",
        "test_signatures_share_",
        PRIVATE,
    ),
    Guard(
        "the memo ends with the lease",
        "server/http1/head_cache.py",
        "and now < marks.lease_until",
        "",
        "test_9_",
        LEASES,
    ),
    Guard(
        "what fell while it was fetched is not stored",
        "store/invalidation.py",
        "return self._marks.stands(entry) and self._levels.put(entry)",
        "return self._levels.put(entry)",
        "test_1_",
    ),
    Guard(
        "a mark is taken before upstream is asked",
        "cache/fetch.py",
        "reply.mark = mark if reply.mark is None else min(mark, reply.mark)",
        "reply.mark = self._world.marks.last",
        "test_1_",
    ),
    Guard(
        "a reply is no newer than the inner tier says",
        "cache/fetch.py",
        "reply.mark = mark if reply.mark is None else min(mark, reply.mark)",
        "reply.mark = mark",
        "test_7c_",
    ),
    Guard(
        "a flight of before is not joined",
        "cache/tier.py",
        "if not self.world.marks.passes(errand.key, flight.mark):",
        "if False:",
        "test_4_",
    ),
    Guard(
        "a flight whose tags are not known may carry any",
        "rules/invalidation/matcher.py",
        "best = max(best, self.newest_tag)",
        "pass",
        "test_a_flight_that_may_carry_the_tag_is_not_joined",
        "tests/plays/test_invalidation_kinds.py",
    ),
    Guard(
        "what fell is not offered for validation",
        "cache/fetch.py",
        "if errand.stale is not None and not self._store.stands(errand.stale):",
        "if False:",
        "test_5c_",
    ),
    Guard(
        "what fell is not served when upstream fails",
        "cache/fetch.py",
        "if not self._store.stands(stale):",
        "if False:",
        "test_6b_",
    ),
    Guard(
        "nothing is served stale without a lease",
        "cache/fetch.py",
        "if not self._world.marks.confirmed(errand.request.mark, now):",
        "if False:",
        "test_9b_",
        LEASES,
    ),
    Guard(
        "a failure of before is not remembered",
        "cache/failure_cache.py",
        "return failure if self._marks.passes(errand.key, failure.mark) else None",
        "return failure",
        "test_16b_",
    ),
    Guard(
        "a hit needs a lease",
        "cache/tier.py",
        "if served and not self.world.marks.confirmed(request.mark, now):",
        "if False:",
        "test_9_",
        LEASES,
    ),
    Guard(
        "without a lease nobody waits for another",
        "cache/tier.py",
        "return self.world.marks.confirmed(request.mark, self.world.clock())",
        "return True",
        "test_9b_",
        LEASES,
    ),
    Guard(
        "who asks may know more than we",
        "store/invalidation.py",
        "return now < self.lease_until and 0 <= asked_mark <= self.last",
        "return now < self.lease_until",
        "test_7_",
    ),
    Guard(
        "a fill for who knows more is as new as what they know",
        "cache/fetch.py",
        "mark = max(newest, call.request.mark)",
        "mark = newest",
        "test_7_",
    ),
    Guard(
        "what is older than the log remembers falls",
        "store/invalidation.py",
        "        if not self.floor <= entry.mark <= self.last:\n            return False\n",
        "",
        "test_8b_",
        LEASES,
    ),
    Guard(
        "a part that cannot be confirmed is asked for again",
        "cache/lookup.py",
        "    if entry.part is not None:\n        return FetchErrand(",
        "    if False:\n        return FetchErrand(",
        "test_9c_",
        LEASES,
    ),
    Guard(
        "after a soft one no flight of before is joined",
        "store/invalidation.py",
        "(self._live.hard_match(subject, mark) or self._live.soft_match(subject, mark))",
        "self._live.hard_match(subject, mark)",
        "test_after_a_soft_one_",
        KINDS,
    ),
    Guard(
        "what a soft one made stale is not repeated from the memo",
        "server/http1/head_cache.py",
        "entry.stale_from is None if answer.mark is None",
        "True if answer.mark is None",
        "test_what_a_soft_one_made_stale_",
        KINDS,
    ),
    Guard(
        "an outer tier hears that a soft one was before",
        "cache/outcome.py",
        "mark=entry.told_mark",
        "mark=entry.mark",
        "test_what_the_regional_cache_serves_stale_",
        KINDS,
    ),
    Guard(
        "what is not fresh is not read along",
        "rules/caching/reuse.py",
        "if not isinstance(said, Serve | ServeStale):",
        "if False:",
        "test_what_must_be_asked_for_each_time",
        SHARED,
    ),
    Guard(
        "what was chosen by another request is not read along",
        "rules/caching/reuse.py",
        "if held.selected and not chosen and not answers(held.selected, request.fields):",
        "if False:",
        "test_what_was_chosen_by_another_request",
        SHARED,
    ),
    Guard(
        "what became stale as it arrived holds up nobody",
        "cache/tier.py",
        "return not is_outlived(fill.pending, errand.route, self.world.clock())",
        "return True",
        "test_what_became_stale_as_it_arrived_",
        SHARED,
    ),
    Guard(
        "what was asked for before a write is not kept",
        "store/invalidation.py",
        "if not self.writes.passes(entry.key, since):",
        "if False:",
        "under_way",
        UNSAFE,
    ),
    Guard(
        "a flight of before a write is not joined",
        "cache/tier.py",
        "if not self.filtered.writes.passes(errand.key, flight.since):",
        "if False:",
        "test_what_was_under_way_",
        UNSAFE,
    ),
    Guard(
        "a HEAD freshens by a strong tag alone",
        "rules/caching/entry_update.py",
        "if tag is None or tag != strong_tag(stored.head.fields):",
        "if False:",
        "test_a_monitor_",
        HEADS,
    ),
    Guard(
        "an answer to a Range is stored as that part alone",
        "rules/caching/entry_update.py",
        "if answer.status != 206 or came is None:",
        "if False:",
        "test_an_error_to_a_viewers_range_",
        RANGES,
    ),
    Guard(
        "what was chosen for one viewer is not offered to others",
        "rules/caching/revalidation.py",
        "return chosen.isdisjoint(CHOSEN_FOR_ONE)",
        "return True or chosen.isdisjoint(CHOSEN_FOR_ONE)",
        "test_nothing_is_offered_across_",
        VARIANTS,
    ),
    Guard(
        "a 304 renews what it names",
        "cache/fetch_request.py",
        "return own if confirms(answer, own.head) else None",
        "return own",
        "test_a_304_with_another_tag_",
        VARIANTS,
    ),
    Guard(
        "a 304 takes nothing from Vary",
        "rules/caching/entry_update.py",
        "if not missing:",
        "if True:",
        "test_what_a_304_varies_by_",
        VARIANTS,
    ),
    Guard(
        "what is withdrawn is gone",
        "rules/caching/entry_update.py",
        "displaces = supersedes(answer) and answer.status not in _OF_A_RANGE",
        "displaces = False",
        "test_a_refresh_that_is_answered_otherwise",
        WITHDRAWN,
    ),
    Guard(
        "a 304 between tiers leaves out nothing",
        "rules/response/status_and_ranges.py",
        "told = head.fields if request.of_tier else _not_modified(head.fields)",
        "told = _not_modified(head.fields)",
        "test_what_a_200_under_",
        BETWEEN,
    ),
    Guard(
        "what credentials opened is stored for nobody else",
        "rules/caching/storability.py",
        'if first_value(request.fields, b"authorization") is not None and '
        "not _shareable(directives):",
        "if False:",
        "test_whatever_is_asked_",
        ANOTHERS,
    ),
    Guard(
        "a field named private is for who asked",
        "rules/caching/storability.py",
        "return without(head.fields, named) if named else head.fields",
        "return head.fields",
        "test_whatever_is_asked_",
        ANOTHERS,
    ),
    Guard(
        "a part answers only who may be given that version",
        "rules/caching/stored_parts.py",
        'if wanted is None or request.method != b"GET" or not honors_range(request, head):',
        "if wanted is None:",
        "test_whatever_is_asked_",
        ANOTHERS,
    ),
    Guard(
        "a property sees what is read along and is not fresh",
        "rules/caching/reuse.py",
        "if not isinstance(said, Serve | ServeStale):",
        "if False:",
        "test_whatever_is_asked_",
        ANOTHERS,
    ),
    Guard(
        "who asks as a tier has signed it",
        "cache/peer_frontend.py",
        "if not is_edge(request.peer):",
        "if False:",
        "test_a_captured_head_is_answered_once",
        CAPTURED,
    ),
    Guard(
        "what is remembered for tiers checks each credential",
        "server/http1/head_cache.py",
        "if not listener.admits_repeated(*call):",
        "if False:",
        "test_a_credential_is_for_one_head_",
        "tests/server/http1/test_head_cache_peer.py",
    ),
    *VIEWER_RULE_GUARDS,
    *HTTP2_GUARDS,
    *HTTP2_ORIGIN_GUARDS,
    *TRACE_GUARDS,
    *ACCESS_LIST_GUARDS,
    *CONTROL_GUARDS,
    *DASHBOARD_GUARDS,
    *RESERVE_GUARDS,
    *KEY_VALUE_GUARDS,
)
