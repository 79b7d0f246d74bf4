"""The guards of passwords and purges: see `guards`."""

from __future__ import annotations

from tests.mutations.function_guards import FUNCTION_GUARDS
from tests.mutations.guard import Guard

PASSWORDS = "tests/plays/test_basic_auth.py"

VIEWER_RULE_GUARDS = (
    Guard(
        "a password is asked for before what is stored is given",
        "cache/rule_answers.py",
        "good = False if given is None else passwords.known(rule.users, given)",
        "good = True",
        "test_who_has_no_good_password_",
        PASSWORDS,
    ),
    Guard(
        "what opened goes no further",
        "cache/frontend.py",
        "routed = routed.without((AUTHORIZATION,))",
        "pass",
        "test_what_opens_is_no_part_",
        PASSWORDS,
    ),
    Guard(
        "a password guards every spelling of a path",
        "rules/routing.py",
        "private = any(_guard(found) for _, found in routes)",
        "private = False",
        "test_no_spelling_",
        PASSWORDS,
    ),
    Guard(
        "who is no user is let in by nobody's password",
        "rules/viewer/basic_auth.py",
        "return (own, True) if own is not None else (users.costliest or NOBODYS, False)",
        "return (own or users.costliest, True)",
        "test_who_has_no_good_password_",
        PASSWORDS,
    ),
    Guard(
        "a stranger's purge is no question to control",
        "cache/purge.py",
        "if not rule.access_list.admits(request.client[0]):",
        "if False:",
        "test_strangers_",
        "tests/plays/test_purge.py",
    ),
    Guard(
        "what is remembered takes a token",
        "server/http1/head_cache.py",
        "and (not answer.limits or call or takes_tokens(connection, cached, block, now))",
        "",
        "test_hits_take_a_token_each",
        "tests/plays/test_rate_limits.py",
    ),
    Guard(
        "what a trusted proxy said is not given to who says the same",
        "server/http1/head_cache.py",
        "or block.trusted is not connection.trusted",
        "",
        "test_only_a_trusted_proxy_",
        "tests/plays/test_trusted_proxies.py",
    ),
    *FUNCTION_GUARDS,
)
