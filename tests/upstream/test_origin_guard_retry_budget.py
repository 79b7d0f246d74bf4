"""Retries: a fifth of what is asked, and a small reserve for who is asked rarely."""

from __future__ import annotations

import pytest

from edgecache.upstream.origin_guard import RESERVE, SAVED_MAX, RetryBudget


def spent(budget: RetryBudget, now: float = 0.0, most: int = 1_000) -> int:
    return next(n for n in range(most + 1) if n == most or not budget.spend(now))


def test_the_reserve_is_there_from_the_start_and_fills_up_in_time() -> None:
    budget = RetryBudget(0.0)
    assert spent(budget) == RESERVE
    assert spent(budget, 3.0) == 3
    assert spent(budget, 1_000.0) == RESERVE


@pytest.mark.parametrize(("requests", "retries"), [(5, 1), (50, 10), (100, 20)])
def test_requests_earn_a_fifth(requests: int, retries: int) -> None:
    budget = RetryBudget(0.0)
    spent(budget)
    for _ in range(requests):
        budget.earn()
    assert spent(budget) == pytest.approx(retries, abs=1)


def test_what_is_saved_is_bounded() -> None:
    budget = RetryBudget(0.0)
    for _ in range(100_000):
        budget.earn()
    assert spent(budget) == SAVED_MAX


def test_when_all_fail_an_origin_gets_a_fifth_more() -> None:
    """X16: each request fails and would be tried three times."""
    budget, sent = RetryBudget(0.0), 0
    for n in range(10_000):
        budget.earn()
        sent += 1 + sum(budget.spend(n / 1_000) for _ in range(2))
    assert sent <= 10_000 * 1.2 + RESERVE + 10
