"""The guards of access lists: see `guards`. What is remembered of a hit lets nobody by a list."""

from __future__ import annotations

from tests.mutations.guard import Guard

LISTS = "tests/plays/test_access_lists.py"

ACCESS_LIST_GUARDS = (
    Guard(
        "a list is asked before a remembered hit is given",
        "server/http1/head_cache.py",
        "and ((by := answer.route.access_list) is None or call or by in connection.admitted)",
        "",
        "test_a_set_that_changes_",
        LISTS,
    ),
    Guard(
        "a list is asked for each viewer behind a trusted proxy",
        "server/http1/head_cache.py",
        "if connection.trusted:  # a proxy's viewers are asked one by one",
        "if False:",
        "test_a_list_that_let_in_",
        LISTS,
    ),
)
