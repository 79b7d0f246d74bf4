"""The guards of key value stores, and of hits that functions have seen."""

from __future__ import annotations

from tests.mutations.guard import Guard

FOLLOWED = "tests/node/test_key_values.py"
KEPT = "tests/node/test_key_value_files.py"
HEADS = "tests/server/http1/test_head_cache_functions.py"

KEY_VALUE_GUARDS = (
    Guard(
        "a change is of the version before it",
        "node/key_values.py",
        "if held is not None and held.version == change.before and not change.whole:",
        "if held is not None and not change.whole:",
        "test_a_change_from_another_version_",
        FOLLOWED,
    ),
    Guard(
        "what was fetched since is not changed back",
        "node/key_values.py",
        "if held is not None and held.version >= entry.seq:",
        "if False:",
        "test_what_was_fetched_since_",
        FOLLOWED,
    ),
    Guard(
        "what no function reads is not held",
        "node/key_values.py",
        "if change.store not in self._wanted or change.gone:",
        "if change.gone:",
        "test_what_no_function_reads_",
        FOLLOWED,
    ),
    Guard(
        "a number whose content is not here is not applied",
        "node/key_values.py",
        'raise EntryNotAppliedError(f"key value store {id}: control: {why}")',
        "return",
        "test_a_number_is_not_applied_",
        FOLLOWED,
    ),
    Guard(
        "a store that was damaged on disk is not read",
        "node/digested_file.py",
        "if heading.sha256 != hashlib.sha256(text).hexdigest():",
        "if False:",
        "test_a_file_that_cannot_be_trusted_",
        KEPT,
    ),
    Guard(
        "a store that control has no more is not read from disk",
        "node/key_values.py",
        "self.stores.remove(id)",
        "pass",
        "test_a_store_that_control_has_no_more_",
        KEPT,
    ),
    Guard(
        "a function runs for nobody who is not let in",
        "server/http1/head_cache_functions.py",
        "and (listed is None or listed in connection.admitted)",
        "",
        "test_who_is_not_let_in_",
        HEADS,
    ),
    Guard(
        "what is made of a viewer's place is not another's",
        "server/http1/head_cache_functions.py",
        "route.viewer_headers\n        or ",
        "False\n        or ",
        "test_a_header_of_the_viewers_place_",
        HEADS,
    ),
    Guard(
        "a function runs once for a request",
        "server/http1/head_cache_functions.py",
        "events.begun = runs",
        "pass",
        "test_what_a_function_has_not_said_before_",
        HEADS,
    ),
    Guard(
        "a viewer-response function sees no hit that is none any more",
        "server/http1/head_cache_functions.py",
        "if found and not self._is_worth(found[-1].cached, connection, runs.now):",
        "if False:",
        "test_an_invalidated_hit_",
        HEADS,
    ),
)
