"""When certificates are asked for: what is due, how failures are put off, what a restart knows."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edgecache.cluster.certificates import site_certificate_path
from edgecache.config.model import Acme, Behavior, Config, Control, Distribution, Origin
from edgecache.control.acme.issuance import BACK_OFF_S_MAX, Issuance, back_off_s, in_thread
from edgecache.control.acme.orders import IssuanceError, retry_after_s

DAY_S = 86_400.0
BEGAN = datetime(2027, 1, 15, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(names: Sequence[str], begins: datetime, days: int = 90) -> bytes:
    subject = x509.Name([])
    listed = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    made = (
        x509.CertificateBuilder(subject, subject, KEY.public_key())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .serial_number(x509.random_serial_number())
        .add_extension(listed, critical=False)
        .sign(KEY, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def site(id: str, *aliases: str, enabled: bool = True) -> Distribution:
    return Distribution(
        id=id,
        aliases=aliases,
        enabled=enabled,
        origins=(Origin(id="o", domain_name="origin.test"),),
        default_behavior=Behavior(origin="o"),
    )


class World:
    """Sites, an authority that issues or fails, the time, and what was said."""

    def __init__(self, folder: Path, *sites: Distribution) -> None:
        self.folder = folder
        self.now = BEGAN.timestamp()
        self.config = Config(certificates="acme", control=Control(), distributions=sites)
        self.asked: list[tuple[str, ...]] = []
        self.said: list[str] = []
        self.failure: IssuanceError | None = None
        self.issuance = self.restarted()

    def restarted(self) -> Issuance:
        return Issuance(
            lambda: self.config, str(self.folder), self.issue, lambda: True,
            lambda: self.now, self.said.append, self.said.append,
        )  # fmt: skip

    def issue(self, _settings: Acme, names: Sequence[str]) -> bytes:
        self.asked.append(tuple(names))
        if self.failure is not None:
            raise self.failure
        return certificate(names, datetime.fromtimestamp(self.now, UTC))

    def work(self) -> int:
        """Ask for all that is due; how many that were."""
        due = self.issuance.due()
        for id, names in due:
            self.issuance.ask_for(id, names, Acme())
        return len(due)


def test_names_that_http_can_prove_are_asked_for_once(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        site("E1", "www.example.org", "*.example.org", "WWW.example.org", "example.org"),
        site("E2", "localhost", "127.0.0.1", "[::1]", "*"),
        site("E3", "off.example.org", enabled=False),
    )
    assert world.work() == 1
    assert world.asked == [("www.example.org", "example.org")]
    assert world.said == [
        "certificate of E1 (www.example.org, example.org): issued, ends 2027-04-15 00:00 UTC"
    ]
    assert stat.S_IMODE(site_certificate_path(tmp_path, "E1").stat().st_mode) == 0o600
    assert [*world.issuance.certificates()] == ["E1"]
    world.now += 59 * DAY_S
    assert world.work() == 0


def test_renewal_is_due_at_two_thirds_and_when_names_change(tmp_path: Path) -> None:
    world = World(tmp_path, site("E1", "a.test"))
    world.work()
    first = site_certificate_path(tmp_path, "E1").read_bytes()
    world.now += 60 * DAY_S - 1
    assert world.work() == 0
    world.now += 1
    assert world.work() == 1
    second = site_certificate_path(tmp_path, "E1").read_bytes()
    assert first != second
    assert world.issuance.certificates() == {"E1": second}
    world.config = Config(
        certificates="acme", control=Control(), distributions=(site("E1", "a.test", "b.test"),)
    )
    assert world.work() == 1
    assert world.asked[-1] == ("a.test", "b.test")


def test_a_failure_is_put_off_longer_each_time_and_over_a_restart(tmp_path: Path) -> None:
    world = World(tmp_path, site("E1", "a.test"), site("E2", "b.test"))
    world.failure = IssuanceError("a.test: no answer\nat all")
    assert world.work() == 2
    told = "E1 (a.test): not issued: a.test: no answer at all; tried again in 2 min"
    assert told in world.said[0]
    world.now += 119
    assert world.work() == 0
    world.issuance = world.restarted()
    assert world.work() == 0
    world.now += 1
    assert world.work() == 2
    world.now += 239
    assert world.work() == 0
    world.failure = None
    world.now += 1
    assert world.work() == 2
    assert {*world.issuance.certificates()} == {"E1", "E2"}
    assert "not_before" in (tmp_path / "acme" / "attempts.json").read_text()


def test_a_limit_of_the_account_stops_all_as_long_as_it_asks(tmp_path: Path) -> None:
    world = World(tmp_path, site("E1", "a.test"), site("E2", "b.test"))
    world.failure = IssuanceError("too many", 7_200, limited=True)
    assert world.work() == 2
    assert len(world.asked) == 1  # the other one was not tried
    world.failure = None
    world.now += 7_199
    assert world.work() == 0
    world.now += 1
    assert world.work() == 2


def test_a_spoilt_file_is_issued_anew(tmp_path: Path) -> None:
    world = World(tmp_path, site("E1", "a.test"))
    world.work()
    site_certificate_path(tmp_path, "E1").write_text("spoilt")
    (tmp_path / "acme").mkdir(exist_ok=True)
    (tmp_path / "acme" / "attempts.json").write_text("spoilt")
    world.issuance = world.restarted()
    assert world.work() == 1


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 120), (2, 240), (5, 1_920), (99, BACK_OFF_S_MAX)]
)
def test_back_off(failures: int, seconds: float) -> None:
    assert back_off_s(failures) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("Fri, 15 Jan 2027 01:00:00 GMT", 3_600),
        ("Thu, 14 Jan 2027 00:00:00 GMT", 0),
        ("soon", 0),
    ],
)
def test_retry_after(value: str, seconds: float) -> None:
    assert retry_after_s(value, BEGAN.timestamp) == seconds


def test_work_in_a_thread_ends_as_it_ended() -> None:
    done: list[int] = []
    asyncio.run(in_thread(lambda: done.append(1)))
    assert done == [1]

    def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(in_thread(fails))
