"""What a connection's certificate decides is not remembered for another (hostile inputs, T23)."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from edgecache.server.tls import Certificate, Session, TlsPort
from tests.world.play import Play
from tests.world.viewer import Viewer

END = datetime(2100, 1, 1, tzinfo=UTC)


def session(*covers: bytes, refused: bool = False, cipher: str = "A") -> Session:
    names = frozenset(covers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = Certificate(context, ssl.TLSVersion.TLSv1_2, names, names, names, END)
    return Session(certificate, "TLSv1.3", cipher, False, refused)


def over(play: Play, name: str, settled: Session) -> Viewer:
    """The viewer of that name, whose handshake has settled this."""
    secure(play, settled)
    return play.viewer(name)


def secure(play: Play, settled: Session) -> None:
    """Who comes from now on comes over TLS; each handshake settles this."""
    fake: Any = SimpleNamespace(session=lambda _: settled)
    play.listener.tls = cast(TlsPort, fake)
    play.listener.scheme = b"https"


def logged(play: Play) -> list[list[str]]:
    play.access_log.flush()
    return [line.split("\t") for line in play.log.decode().splitlines()]


def test_a_remembered_answer_is_for_the_same_certificate_only(play: Play) -> None:
    ours, other = session(b"site.test"), session(b"other.test")
    viewer = over(play, "a", ours)
    viewer.asks("/x")
    play.origin.answers(200, "body", cache="max-age=60")
    viewer.gets(200)
    for _ in range(3):
        viewer.asks("/x").gets(200, "body", x_cache="Hit")
    over(play, "b", other).asks("/x").gets(421)
    viewer.asks("/x").gets(200, "body", x_cache="Hit")


def test_the_log_has_each_connections_own_cipher(play: Play) -> None:
    one = over(play, "a", session(b"site.test", cipher="A"))
    two = over(play, "b", session(b"site.test", cipher="B"))
    one.asks("/x")
    play.origin.answers(200, "body", cache="max-age=60")
    one.gets(200)
    for viewer in (one, one, two, two, one):
        viewer.asks("/x").gets(200, x_cache="Hit")
    records = [(r[16], r[20], r[21]) for r in logged(play)[-5:]]
    assert records == [("https", "TLSv1.3", cipher) for cipher in "AABBA"]


def test_a_version_the_policy_refuses_is_not_read_from(play: Play) -> None:
    viewer = over(play, "a", session(b"site.test", refused=True))
    assert viewer.transport.closed
    viewer.asks("/x").gets_nothing()
    play.origin.hears_nothing()


def test_tls_has_no_half_close(play: Play) -> None:
    viewer = over(play, "a", session(b"site.test"))
    viewer.asks("/x")
    assert not viewer.connection.eof_received()
