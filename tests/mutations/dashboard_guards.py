"""The guards of the dashboard: what admits a browser's request, and what ends a log-in."""

from __future__ import annotations

from tests.mutations.guard import Guard

HANDLERS = "control/dashboard/session_handlers.py"
SESSIONS = "control/dashboard/sessions.py"
PLAYS = "tests/control/dashboard/test_session_handlers.py"

DASHBOARD_GUARDS = (
    Guard(
        "a change comes with the value of its session",
        HANDLERS,
        "if not hmac.compare_digest(shown.encode(), session.csrf.encode()):",
        "if not shown:",
        "test_a_change_wants_the_sessions_own_value",
        PLAYS,
    ),
    Guard(
        "another page asks nothing by our cookie",
        HANDLERS,
        'if site != "same-origin" and not typed:',
        "if False:",
        "test_a_page_of_another_origin_can_do_nothing",
        PLAYS,
    ),
    Guard(
        "no form logs in",
        HANDLERS,
        'if content_type != "application/json":  # which no form of another page can send',
        "if False:",
        "test_a_form_cannot_log_in",
        PLAYS,
    ),
    Guard(
        "a log-out ends a session",
        SESSIONS,
        "if claims.id in self._ended or claims.made_at <= self._ended_before:",
        "if False:",
        "test_a_cookie_is_of_no_use_after_the_log_out",
        PLAYS,
    ),
    Guard(
        "so does its time",
        SESSIONS,
        "if not claims.made_at - SKEW_S_MAX <= now < claims.ends_at:",
        "if False:",
        "test_a_token_logs_in_for_what_is_left_of_its_hour",
        PLAYS,
    ),
    Guard(
        "a session may do what its key may",
        "control/rest/access_keys.py",
        "self._require_permission(request, operation, caller, body)",
        "pass",
        "test_a_read_only_key_sees_and_changes_nothing",
        PLAYS,
    ),
)
