"""Records of the access log: the documented line, the line of extras, hostile values."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.observe.log_record import (
    EXTRA_FIELDS,
    FIELD_BYTES_MAX,
    FIELDS,
    HEADER,
    NO_EXTRAS,
    Record,
    RecordExtras,
    escaped,
    format_record,
    parse_line,
)

NOON = 1_704_110_400.0  # 2024-01-01 12:00:00 UTC


def record(agent: bytes | None = b"curl/8", at: float = NOON, status: int = 200) -> Record:
    return (
        *(at, "LHR50", 512, "192.0.2.1", b"GET", b"d1.cloudfront.net", b"/a b", status),
        *(None, agent, b"q=%20", None, "Hit", "id==", b"www.example.com", "http"),
        *(90, 0.0015, None, None, None, "Hit", "HTTP/1.1", None, None),
        *(54321, 0.0004, "Hit", b"text/html", 300, None, None, None),
    )


def test_there_are_35_fields() -> None:
    assert len(FIELDS.split(" ")) == 35
    assert HEADER.splitlines() == [b"#Version: 1.0", b"#Fields: " + FIELDS.encode()]


def test_a_viewer_who_left_has_status_000() -> None:
    line = format_record(record(status=0), lambda _: b"d\tt").decode()
    assert parse_line(line)[8] == "000"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, b"-"),
        (b"", b"-"),
        ("", b"-"),
        (b"plain/1.0(x;y)", b"plain/1.0(x;y)"),
        (b"a b", b"a%20b"),
        (b"%20", b"%2520"),
        (b"\t\n\x00\x1f", b"%09%0A%00%1F"),
        (b"\x1b[2J", b"%1B%5B2J"),
        (b"\x7f\x80\xff", b"%7F%80%FF"),
        (b'<>"#%{}|\\^~[]`', b"%3C%3E%22%23%25%7B%7D%7C%5C%5E%7E%5B%5D%60"),
        ("\xe9", b"%C3%A9"),
        (b"${jndi:ldap://x}", b"$%7Bjndi:ldap://x%7D"),
    ],
)
def test_values_are_escaped(value: bytes | str | None, text: bytes) -> None:
    assert escaped(value) == text


@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_make_one_record_that_parses_back(agent: bytes) -> None:
    line = format_record(record(agent), lambda _: b"d\tt")
    assert line.count(b"\n") == 1
    values = parse_line(line.decode("ascii"))
    assert len(values) == 35
    assert values[10].encode("latin-1") == agent


def test_a_long_user_agent_is_one_record() -> None:
    agent = b'\n\x1b[2J"\t\xff' * 20_000
    line = format_record(record(agent), lambda _: b"d\tt")
    assert len(line) < FIELD_BYTES_MAX + 500
    logged = parse_line(line.decode("ascii"))[10].encode("latin-1")
    assert logged.endswith(b"...")
    assert agent.startswith(logged[:-3])


@pytest.mark.parametrize("start", [b"", b"a", b"ab"])
@pytest.mark.parametrize("piece", [b"a", b"\xff", b"a\xff"])
def test_a_field_is_cut_between_two_escapes(start: bytes, piece: bytes) -> None:
    for count in (2_000, 2_730, 2_731, 4_000, 8_191, 8_192, 8_193, 90_000):
        value = start + piece * count
        logged = escaped(value)
        assert len(logged) <= FIELD_BYTES_MAX
        read = unquote_to_bytes(logged)
        if read != value:
            assert len(logged) > FIELD_BYTES_MAX - 6
            assert read.endswith(b"...")
            assert value.startswith(read[:-3])


def values(lines: bytes) -> dict[str, str]:
    """What both lines of a record say, by name."""
    names = [*FIELDS.split(" "), *EXTRA_FIELDS.split(" ")]
    first, second, end = lines.decode().split("\n")
    assert end == ""
    return dict(zip(names, [*first.split("\t"), *second.split("\t")], strict=True))


def extended(extras: RecordExtras) -> dict[str, str]:
    return values(format_record((*record()[:-1], extras), lambda _: b"d\tt"))


def test_a_second_line_has_what_the_first_has_not() -> None:
    said = RecordExtras(
        "E1",
        "/img/*",
        "absent",
        "web",
        200,
        0.25,
        1.5,
        b"a=1; b=2",
        "0af7651916cd43dd8448eb211c80319c",
    )
    expected = {
        "distribution-id": "E1", "cache-behavior-path-pattern": "/img/*", "reason": "absent",
        "origin-id": "web", "origin-status": "200", "origin-fbl": "0.250", "origin-lbl": "1.500",
        "cookie": "a=1;%20b=2", "trace-id": "0af7651916cd43dd8448eb211c80319c",
        "timestamp(ms)": "1704110400000", "cs(Cookie)": "-", "c-port": "54321",
    }  # fmt: skip
    assert expected.items() <= extended(said).items()


def test_what_is_not_known_is_a_dash() -> None:
    said = extended(NO_EXTRAS)
    assert {said[name] for name in EXTRA_FIELDS.split(" ")[:-1]} == {"-"}


def test_a_hostile_cookie_stays_in_its_column() -> None:
    said = extended(RecordExtras(cookie=b'a\tb\nc"d\\e'))
    assert said["cookie"] == "a%09b%0Ac%22d%5Ce"
