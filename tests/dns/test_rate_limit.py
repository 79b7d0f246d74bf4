"""Rates of answers by prefix: a burst, a refill, and no more bytes than came."""

from __future__ import annotations

import pytest

from edgecache.dns import rate_limit
from edgecache.dns.rate_limit import RateVerdict, ResponseRates, prefix_of


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("192.0.2.1", "192.0.2"),
        ("2001:db8:1:2aff::1", "2001:db8:1:2a"),
        ("2001:db8:1:2abb:1:2:3:4", "2001:db8:1:2a"),
        ("2001:db8::1", "2001:db8:0:"),
        ("::1", "0:0:0:"),
        ("fe80::1%eth0", "fe80:0:0:"),
    ],
)
def test_prefixes(address: str, prefix: str) -> None:
    assert prefix_of(address) == prefix


def test_a_second_is_answered_and_then_every_second_query_is_truncated() -> None:
    rates = ResponseRates(10)
    verdicts = [rates.take(f"192.0.2.{n}", 5.0) for n in range(14)]
    assert verdicts[:10] == [RateVerdict.ANSWER] * 10
    assert verdicts[10:] == [RateVerdict.DROP, RateVerdict.TRUNCATE] * 2
    assert rates.take("198.51.100.1", 5.0) is RateVerdict.ANSWER
    assert rates.take("192.0.2.1", 5.125) is RateVerdict.ANSWER
    assert rates.take("192.0.2.1", 5.125) is RateVerdict.DROP


def test_no_rate_is_no_limit() -> None:
    rates = ResponseRates(0)
    assert {rates.take("192.0.2.1", 1.0) for _ in range(1_000)} == {RateVerdict.ANSWER}
    assert len(rates) == 0


def test_prefixes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "PREFIXES_MAX", 8)
    rates = ResponseRates(1)
    for number in range(100):
        rates.take(f"10.0.{number}.1", 1.0)
        assert len(rates) <= 8
    assert rates.take("10.0.99.1", 1.0) is not RateVerdict.ANSWER
