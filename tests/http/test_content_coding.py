"""Accept-Encoding (RFC 9110 §12.4.2, §12.5.3)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecache.http.content_coding import (
    SERVED,
    accepted,
    accepts,
    one_spelling,
    preference,
)

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

OFFERED = (b"br", b"gzip", b"identity")


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        pytest.param(None, {b"br", b"gzip", b"identity"}, id="12.5.3-absent"),
        pytest.param(b"", {b"identity"}, id="12.5.3-empty"),
        pytest.param(b"compress, gzip", {b"gzip", b"identity"}, id="12.5.3-listed"),
        pytest.param(b"*", {b"br", b"gzip", b"identity"}, id="12.5.3-any"),
        pytest.param(b"compress;q=0.5, gzip;q=1.0", {b"gzip", b"identity"}, id="12.5.3-weights"),
        pytest.param(b"gzip;q=1.0, identity; q=0.5, *;q=0", {b"gzip", b"identity"}, id="12.5.3-no"),
        pytest.param(b"gzip, identity;q=0", {b"gzip"}, id="12.5.3-identity-excluded"),
        pytest.param(b"gzip, *;q=0", {b"gzip"}, id="12.5.3-identity-excluded-by-star"),
        pytest.param(b"*;q=0, identity;q=0.001", {b"identity"}, id="12.5.3-identity-more-specific"),
        pytest.param(b"*, br;q=0", {b"gzip", b"identity"}, id="12.5.3-any-but"),
        pytest.param(b"gzip;q=0", {b"identity"}, id="12.5.3-refused"),
        pytest.param(b"gzip;q=0.000", {b"identity"}, id="12.4.2-zero-in-full"),
        pytest.param(b"gzip;q=0.", {b"identity"}, id="12.4.2-zero-and-point"),
        pytest.param(b"GZIP ;\tQ=1.", {b"gzip", b"identity"}, id="12.4.2-case-and-space"),
        pytest.param(b"x-gzip", {b"gzip", b"identity"}, id="8.4.1.3-x-gzip"),
        pytest.param(b"gzip;q=0, gzip", {b"identity"}, id="twice"),
        pytest.param(b"gzip;q=0.1234", {b"identity"}, id="four-digits"),
        pytest.param(b"gzip;q=1.1", {b"identity"}, id="more-than-one"),
        pytest.param(b"gzip;q=2", {b"identity"}, id="two"),
        pytest.param(b"gzip;q=-1", {b"identity"}, id="negative"),
        pytest.param(b"gzip;q=.5", {b"identity"}, id="no-whole-part"),
        pytest.param(b"gzip;q=", {b"identity"}, id="no-weight"),
        pytest.param(b"gzip;q =1", {b"identity"}, id="space-before-equals"),
        pytest.param(b"gzip;x=1", {b"identity"}, id="other-parameter"),
        pytest.param(b"gzip br", {b"identity"}, id="no-comma"),
        pytest.param(b'"gzip"', {b"identity"}, id="quoted"),
    ],
)
def test_accepts(value: bytes | None, taken: set[bytes]) -> None:
    assert {coding for coding in OFFERED if accepts(value, coding)} == taken


@pytest.mark.parametrize(
    ("value", "best"),
    [
        (None, b"identity"),
        (b"", b"identity"),
        (b"gzip, deflate, br", b"br"),
        (b"gzip;q=1, br;q=0.9", b"gzip"),
        (b"gzip;q=0.001", b"gzip"),
        (b"gzip;q=0.5, identity", b"identity"),
        (b"*", b"br"),
        (b"*;q=0.5, gzip", b"gzip"),
        (b"deflate", b"identity"),
        (b"*;q=0", None),
        (b"deflate, identity;q=0", None),
    ],
)
def test_preference(value: bytes | None, best: bytes | None) -> None:
    assert preference(value, OFFERED) == best


@pytest.mark.parametrize(
    ("value", "spelling"),
    [
        (b"gzip, deflate, br, zstd", b"br, gzip, zstd"),  # Chromium, Firefox
        (b"gzip, deflate, br", b"br, gzip"),  # Safari
        (b"gzip,deflate", b"gzip"),
        (b"X-GZIP;q=0.3", b"gzip"),
        (b"deflate", b"deflate"),
        (b"br;q=1.0, gzip;q=0.8, *;q=0.1", b"br, dcb, dcz, gzip, zstd"),
        (b"*", b"br, dcb, dcz, gzip, zstd"),
        (b"gzip, *;q=0", b"gzip, identity;q=0"),
        (b"compress, pack200-gzip, sdch", b"identity"),
        (b"gzip;q=0", b"identity"),
        (b"", b"identity"),
        (b"identity;q=0", b"identity;q=0"),
    ],
)
def test_one_spelling(value: bytes, spelling: bytes) -> None:
    assert one_spelling(value) == spelling
    assert one_spelling(spelling) == spelling
    for coding in SERVED:  # nobody gets what was not admitted
        if coding != b"deflate":
            assert accepts(spelling, coding) is accepts(value, coding)
    assert accepts(spelling, b"identity") is accepts(value, b"identity")


def test_preference_among_few() -> None:
    assert preference(None, (b"br", b"gzip")) == b"br"
    assert preference(b"", (b"br", b"gzip")) is None
    assert preference(None, ()) is None
    assert preference(b"gzip", ()) is None


@unhurried
@given(st.one_of(st.binary(max_size=300), st.text("gzip*;q=01., ", max_size=40).map(str.encode)))
def test_no_bytes_break_the_reader(value: bytes) -> None:
    assert all(0 <= weight <= 1000 for weight in accepted(value).values())
    best = preference(value, OFFERED)
    assert best is None or accepts(value, best)
    assert (best is None) == (not any(accepts(value, coding) for coding in OFFERED))
