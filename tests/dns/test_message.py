"""Queries read strictly, answers written: the vector of RFC 7871, and what is malformed."""

from __future__ import annotations

import random

import dns.edns
import dns.message
import dns.name
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecache.dns.message import (
    ClientSubnet,
    Rcode,
    Sections,
    read_query,
    write_answer,
    write_truncated,
)
from edgecache.dns.records import QUESTION_NAME, A, record_tail
from tests.dns.fuzz import mutated, seeds

QUESTION = bytes.fromhex("03777777 0363646e 0474657374 00 0001 0001")
OPT = bytes.fromhex("00 0029 04d0 00000000 000b 0008 0007 0001 18 00 cb0071")
WITH_SUBNET = bytes.fromhex("1234 0100 0001 0000 0000 0001") + QUESTION + OPT
PLAIN = bytes.fromhex("1234 0100 0001 0000 0000 0000") + QUESTION
ANSWER = record_tail(A, 60, bytes([192, 0, 2, 1]))


def header(flags: int, *counts: int) -> bytes:
    return b"\x12\x34" + b"".join(number.to_bytes(2, "big") for number in (flags, *counts))


def opt(body: str, ttl: str = "00000000", owner: str = "00") -> bytes:
    options = bytes.fromhex(body)
    return bytes.fromhex(f"{owner} 0029 04d0 {ttl}") + len(options).to_bytes(2, "big") + options


def test_a_query_with_a_client_subnet_is_answered_as_the_vector_says() -> None:
    query = read_query(WITH_SUBNET)
    assert query is not None
    assert query.rcode is Rcode.NOERROR
    assert query.subnet == ClientSubnet(1, 24, bytes([203, 0, 113]))
    assert query.subnet.whole == bytes([203, 0, 113, 0])
    answer = write_answer(
        query, Sections(answers=1, answer=QUESTION_NAME + ANSWER, scope=24), 1_232
    )
    assert answer == (
        bytes.fromhex("1234 8500 0001 0001 0000 0001")
        + QUESTION
        + bytes.fromhex("c00c 0001 0001 0000003c 0004 c0000201")
        + bytes.fromhex("00 0029 04d0 00000000 000b 0008 0007 0001 18 18 cb0071")
    )
    read = dns.message.from_wire(answer)
    assert read.options == (dns.edns.ECSOption("203.0.113.0", 24, 24),)


def test_the_case_of_the_question_is_kept() -> None:
    query = read_query(PLAIN.replace(b"www", b"wWw"))
    assert query is not None
    assert query.name == b"\x03www\x03cdn\x04test\0"
    assert b"wWw" in write_answer(query, Sections(), 512)


def test_type_and_class_are_not_lowered() -> None:
    """Type 65 (HTTPS) is the letter A."""
    query = read_query(PLAIN[:-4] + bytes.fromhex("0041 0001"))
    assert query is not None
    assert query.type == 65
    assert query.question[-4:] == bytes.fromhex("0041 0001")


@pytest.mark.parametrize("data", [b"", PLAIN[:11], header(0x8100, 1, 0, 0, 0) + QUESTION])
def test_what_is_no_query_is_passed_over(data: bytes) -> None:
    assert read_query(data) is None


WITH_OPT = header(0, 1, 0, 0, 1) + QUESTION
MALFORMED = {
    "no question": (header(0, 0, 0, 0, 0), Rcode.FORMERR),
    "two questions": (header(0, 2, 0, 0, 0) + QUESTION * 2, Rcode.FORMERR),
    "an answer": (header(0, 1, 1, 0, 0) + QUESTION, Rcode.FORMERR),
    "a truncated name": (PLAIN[:16], Rcode.FORMERR),
    "a truncated question": (PLAIN[:-2], Rcode.FORMERR),
    "a pointer in the question": (header(0, 1, 0, 0, 0) + b"\xc0\x0c\0\x01\0\x01", Rcode.FORMERR),
    "a label of 64": (header(0, 1, 0, 0, 0) + b"\x40" + b"a" * 64 + b"\0\0\x01\0\x01", 1),
    "a name of 256": (header(0, 1, 0, 0, 0) + b"\x01a" * 128 + b"\0\0\x01\0\x01", Rcode.FORMERR),
    "more behind it": (PLAIN + b"\0", Rcode.FORMERR),
    "a count without a record": (header(0, 1, 0, 0, 1) + QUESTION, Rcode.FORMERR),
    "too many records": (header(0, 1, 0, 0, 5) + QUESTION + OPT * 5, Rcode.FORMERR),
    "two OPT": (header(0, 1, 0, 0, 2) + QUESTION + opt("") * 2, Rcode.FORMERR),
    "an OPT with a name": (WITH_OPT + opt("", owner="0161 00"), 1),
    "an option that ends early": (WITH_OPT + opt("000b 0009 00"), 1),
    "version 1": (WITH_OPT + opt("", "00010000"), Rcode.BADVERS),
    "an update": (header(0x2800, 1, 0, 0, 0) + QUESTION, Rcode.NOTIMP),
    "class CH": (PLAIN[:-1] + b"\x03", Rcode.REFUSED),
    "a subnet with a scope": (WITH_OPT + opt("0008 0007 0001 18 18 cb0071"), 1),
    "a subnet's bits beyond": (WITH_OPT + opt("0008 0007 0001 17 00 cb0071"), 1),
    "a subnet too long": (WITH_OPT + opt("0008 0008 0001 18 00 cb007100"), 1),
    "a subnet of /33": (WITH_OPT + opt("0008 0009 0001 21 00 cb00710000"), 1),
    "a subnet of no family": (WITH_OPT + opt("0008 0004 0003 00 00"), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_what_cannot_be_read_is_told_so(name: str) -> None:
    data, rcode = MALFORMED[name]
    query = read_query(data)
    assert query is not None
    assert query.rcode == rcode


def test_an_answer_too_large_for_the_transport_says_so() -> None:
    query = read_query(PLAIN)
    assert query is not None
    large = Sections(answers=40, answer=(QUESTION_NAME + ANSWER) * 40)
    answer = dns.message.from_wire(write_answer(query, large, 512))
    assert answer.flags & dns.flags.TC
    assert not answer.answer
    assert len(dns.message.from_wire(write_answer(query, large, 65_535)).answer[0]) == 1


def test_the_truncated_answer_is_no_longer_than_the_query() -> None:
    for data in (PLAIN, WITH_SUBNET):
        query = read_query(data)
        assert query is not None
        assert len(write_truncated(query)) <= len(data)


def read_strictly(data: bytes) -> None:
    """Whatever comes, it is read or refused, and what is told can be read."""
    query = read_query(data)
    if query is None:
        return
    answer = write_answer(query, Sections(query.rcode, authoritative=False), 512)
    assert len(answer) <= max(512, len(data) + 11)
    read = dns.message.from_wire(answer)
    assert read.id == query.id
    assert int(read.rcode()) == int(query.rcode)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    read_strictly(data)


def test_mutated_queries_are_read_or_refused() -> None:
    dice = random.Random(26)
    for _ in range(5_000):
        read_strictly(mutated(dice, seeds()))
