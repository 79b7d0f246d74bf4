"""Credentials: for one message, one receiver, by one sender, in time, once; keys that change."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.cluster import credentials
from edgecache.cluster.credentials import (
    AGE_S_MAX,
    CREDENTIAL_BYTES_MAX,
    SKEW_S_MAX,
    CredentialSigner,
    CredentialVerdict,
    CredentialVerifier,
    content_digest,
    control_message,
    is_regional,
    part_of,
    place_of,
    receiving_key,
    sending_key,
)
from edgecache.rules.replay_window import RUN_BYTES, RUNS_MAX, ReplayMemory
from tests.world.clock import FakeClock
from tests.world.credentials import SECRETS, signer, verifier

OLD, NEW = SECRETS["k1"], "n" * 32
EDGE, MESSAGE = "edge-LHR50-1", b"GET /private?a=1 HTTP/1.1\r\nHost: site.test\r\n\r\n"
OK, BAD = CredentialVerdict.OK, CredentialVerdict.BAD_SIGNATURE


def verdict(made: CredentialVerifier, credential: bytes, message: bytes = MESSAGE) -> str:
    return made.verify(credential, message)[0]


def test_one_of_ours_is_admitted_by_name_and_once() -> None:
    clock = FakeClock()
    ours, credential = verifier("regional", clock), signer(EDGE, "regional", clock).sign(MESSAGE)
    assert len(credential) < CREDENTIAL_BYTES_MAX
    assert ours.sender(credential, MESSAGE) == EDGE
    assert ours.sender(credential, MESSAGE) == ""
    assert verdict(ours, credential) is CredentialVerdict.REPLAYED


@pytest.mark.parametrize(
    "message",
    [
        MESSAGE.replace(b"GET", b"HEAD"),
        MESSAGE.replace(b"/private", b"/other"),
        MESSAGE.replace(b"a=1", b"a=2"),
        MESSAGE.replace(b"site.test", b"other.test"),
        MESSAGE.replace(b"\r\n\r\n", b"\r\nEdgecache-Distribution: E2\r\n\r\n"),
        MESSAGE + b" ",
        b"",
    ],
)
def test_it_is_for_one_message_and_another_does_not_use_it_up(message: bytes) -> None:
    clock = FakeClock()
    ours, credential = verifier("regional", clock), signer(EDGE, "regional", clock).sign(MESSAGE)
    assert verdict(ours, credential, message) is BAD
    assert verdict(ours, credential) is OK


@pytest.mark.parametrize(
    ("part", "value"),
    [
        (0, b"2"),
        (1, b"k2"),
        (2, b"regional"),
        (2, b"control"),
        (2, b"edge-AMS1-1"),
        (2, b"edge-LHR50-2"),  # of the same place: the name is signed, too
        (3, b"0" * 16),
        (4, b"2"),
        (4, b"01"),
        (5, b"1800000001"),
        (6, b"A" * 43 + b"="),
    ],
)
def test_nothing_of_it_can_be_changed(part: int, value: bytes) -> None:
    clock = FakeClock()
    parts = signer(EDGE, "regional", clock).sign(MESSAGE).split(b".")
    assert parts[part] != value
    parts[part] = value
    assert verifier("regional", clock).sender(b".".join(parts), MESSAGE) == ""


@pytest.mark.parametrize("to", ["control", "edge-LHR50", "edge-AMS1"])
def test_it_is_for_one_receiver(to: str) -> None:
    clock = FakeClock()
    assert verdict(verifier("regional", clock), signer(EDGE, to, clock).sign(MESSAGE)) is BAD


@pytest.mark.parametrize(
    ("age_s", "why"),
    [
        (AGE_S_MAX, OK),
        (AGE_S_MAX + 1, CredentialVerdict.EXPIRED),
        (-SKEW_S_MAX, OK),  # its maker's clock is ahead
        (-SKEW_S_MAX - 1, CredentialVerdict.FROM_THE_FUTURE),
    ],
)
def test_clocks_may_differ_by_so_much(age_s: float, why: CredentialVerdict) -> None:
    clock = FakeClock()
    credential = signer(EDGE, "regional", clock).sign(MESSAGE)
    clock.now += age_s
    assert verdict(verifier("regional", clock), credential) is why


def test_what_comes_out_of_order_is_admitted_within_the_window() -> None:
    clock = FakeClock()
    theirs, ours = signer(EDGE, "regional", clock), verifier("regional", clock)
    made = [theirs.sign(MESSAGE) for _ in range(100)]
    assert {verdict(ours, credential) for credential in reversed(made)} == {OK}
    assert {verdict(ours, credential) for credential in made} == {CredentialVerdict.REPLAYED}


def test_a_sender_that_starts_again_is_known_by_another_run() -> None:
    clock, ours = FakeClock(), verifier("regional", FakeClock())
    for run in range(3):
        again = signer(EDGE, "regional", clock, random_bytes=bytes([run]).__mul__)
        assert verdict(ours, again.sign(MESSAGE)) is OK


def test_without_room_for_a_sender_it_is_refused() -> None:
    clock, ours = FakeClock(), verifier("regional", FakeClock())
    ours._replays = ReplayMemory(AGE_S_MAX + SKEW_S_MAX, runs_max=1)
    assert verdict(ours, signer(EDGE, "regional", clock).sign(MESSAGE)) is OK
    other = signer("edge-AMS1-1", "regional", clock, random_bytes=bytes).sign(MESSAGE)
    assert verdict(ours, other) is CredentialVerdict.FULL
    assert ours.sender(other, MESSAGE) == ""
    assert RUN_BYTES <= ours.size_bytes < 4 * RUN_BYTES


def test_a_location_that_is_somebody_elses_shuts_out_no_other() -> None:
    clock, ours = FakeClock(), verifier("regional", FakeClock())
    part = {"k1": part_of(SECRETS["k1"], "edge-LHR50")}
    verdicts = Counter(
        verdict(
            ours,
            signer(name, "regional", clock, part, partial(run.to_bytes, byteorder="big")).sign(
                MESSAGE
            ),
        )
        for run in range(RUNS_MAX)
        for name in (f"edge-LHR50-{run}", "edge-LHR50-0")
    )
    assert verdicts[CredentialVerdict.FULL] > RUNS_MAX
    for name in ("edge-NRT57-0", "control", "edge-LHR5-0"):
        assert verdict(ours, signer(name, "regional", clock).sign(MESSAGE)) is OK


def test_what_is_refused_is_counted_by_its_reason() -> None:
    clock, counted = FakeClock(), Counter[str]()
    ours = CredentialVerifier("regional", clock, counted)
    ours.use(SECRETS)
    credential = signer(EDGE, "regional", clock).sign(MESSAGE)
    for message in (b"", MESSAGE, MESSAGE, MESSAGE):
        ours.sender(credential, message)
    ours.sender(b"x", MESSAGE)
    assert counted == {"bad-signature": 1, "replayed": 2, "malformed": 1}


@given(st.binary(max_size=700))
def test_what_is_no_credential_is_refused(credential: bytes) -> None:
    assert verifier("regional", FakeClock()).sender(credential, MESSAGE) == ""


def test_who_was_told_no_secrets_admits_nobody() -> None:
    clock = FakeClock()
    untold = CredentialVerifier("regional", clock)
    credential = signer(EDGE, "regional", clock).sign(MESSAGE)
    assert verdict(untold, credential) is CredentialVerdict.UNKNOWN_KEY
    with pytest.raises(AssertionError):
        CredentialSigner(EDGE, "regional", clock, bytes).sign(MESSAGE)


def test_a_new_secret_is_accepted_first_then_signs_and_the_old_one_goes() -> None:
    clock = FakeClock()
    theirs, ours = signer(EDGE, "regional", clock), verifier("regional", clock)
    captured = theirs.sign(MESSAGE)
    ours.use({"k2": NEW, "k1": OLD})
    theirs.use({"k2": NEW, "k1": OLD})
    assert theirs.sign(MESSAGE).startswith(b"1.k1.")
    assert verdict(ours, theirs.sign(MESSAGE)) is OK
    theirs.use({"k1": OLD, "k2": NEW})
    assert verdict(ours, theirs.sign(MESSAGE)) is OK
    ours.use({"k2": NEW})
    assert verdict(ours, theirs.sign(MESSAGE)) is OK
    assert verdict(ours, captured) is CredentialVerdict.UNKNOWN_KEY


def test_an_edges_part_of_a_secret_makes_it_that_edge_and_nobody_else() -> None:
    clock = FakeClock()
    part = {"k1": part_of(OLD, "edge-LHR50")}
    for to in ("regional", "control"):
        assert verdict(verifier(to, clock), signer(EDGE, to, clock, part).sign(MESSAGE)) is OK
    asked = signer("control", "edge-LHR50", clock).sign(MESSAGE)
    assert verifier("edge-LHR50", clock, part).sender(asked, MESSAGE) == "control"
    for name, to in (
        ("edge-AMS1-1", "regional"),
        ("regional", "control"),
        ("control", "edge-AMS1"),
        ("control", "edge-LHR50"),
        (EDGE, "edge-AMS1"),
    ):
        with pytest.raises(ValueError, match="is a part for edge-LHR50, not for"):
            sending_key(part["k1"], place_of(name), to)
    for at in ("regional", "control", "edge-AMS1"):
        with pytest.raises(ValueError, match="is a part for edge-LHR50, not for"):
            receiving_key(part["k1"], at)
    assert OLD not in part["k1"]


def test_a_part_that_is_not_ours_leaves_what_was_there() -> None:
    clock = FakeClock()
    ours = verifier("regional", clock)
    with pytest.raises(ValueError, match="part for edge-LHR50"):
        ours.use({"k1": part_of(OLD, "edge-LHR50")})
    assert verdict(ours, signer(EDGE, "regional", clock).sign(MESSAGE)) is OK


def test_keys_that_are_remembered_by_sender_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "SENDING_KEYS_MAX", 2)
    clock = FakeClock()
    ours = verifier("regional", clock)
    for number in range(4):
        theirs = signer(f"edge-A-{number}", "regional", clock, random_bytes=bytes([number]).__mul__)
        assert verdict(ours, theirs.sign(MESSAGE)) is OK
    assert len(ours._sending) == 2


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("edge-LHR50-1", "edge-LHR50"),
        ("edge-a-b-12", "edge-a-b"),
        ("edge-7-1", "edge-7"),
        ("regional", "regional"),
        ("control", "control"),
        ("serve-1", "serve-1"),
    ],
)
def test_workers_of_a_location_are_one_place(name: str, place: str) -> None:
    assert place_of(name) == place


@given(st.sampled_from(["GET", "POST"]), st.binary(max_size=9), st.binary(max_size=9))
def test_no_two_requests_to_control_are_one_message(
    method: str, target: bytes, body: bytes
) -> None:
    target = target.replace(b"\n", b"").replace(b" ", b"")  # no reader lets these pass
    message = control_message(method, target, content_digest(body))
    line, _, digest = message.partition(b"\n")
    assert (line, digest.decode()) == (f"{method} ".encode() + target, content_digest(body))
    assert content_digest(body) != content_digest(body + b"x")


ONE, OTHER = "regional-eu-1", "regional-eu-2"


@pytest.mark.parametrize(("at", "admitted"), [(ONE, True), (OTHER, False), ("regional", False)])
def test_a_credential_for_one_regional_cache_is_none_for_another(at: str, admitted: bool) -> None:
    clock = FakeClock()
    credential = signer(EDGE, ONE, clock).sign(MESSAGE)
    assert (verifier(at, clock).sender(credential, MESSAGE) == EDGE) is admitted


def test_a_part_opens_a_regional_cache_that_came_later() -> None:
    """An edge that is enrolled needs nothing new when a regional cache is added."""
    clock = FakeClock()
    part = part_of(SECRETS["k1"], "edge-LHR50")
    ours = CredentialSigner(EDGE, "regional-new", clock, bytes)
    ours.use({"k1": part})
    assert verifier("regional-new", clock).sender(ours.sign(MESSAGE), MESSAGE) == EDGE


def test_one_regional_cache_signs_for_another() -> None:
    clock = FakeClock()
    credential = signer(ONE, OTHER, clock).sign(MESSAGE)
    assert verifier(OTHER, clock).sender(credential, MESSAGE) == ONE


def test_which_places_are_regional_caches() -> None:
    assert [is_regional(one) for one in (ONE, "regional", EDGE, "control", "edge-regional")] == [
        True, True, False, False, False,
    ]  # fmt: skip
