"""The certificate of control's listener: renewed without a restart, and never half of one."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgecache.cluster.certificates import DOMAIN
from edgecache.node import certificate_watch
from edgecache.node.certificate_watch import STOOD_LOOKS, ControlTls
from edgecache.server.certificates import CertificateFileError
from edgecache.server.dev_certificate import ca_file, development_certificate


def certificate(folder: Path) -> tuple[bytes, Path]:
    made = development_certificate(folder, ["control.test"], datetime.now(UTC))
    return made.read_bytes(), ca_file(folder)


def is_shown(
    tls: ControlTls, ca: Path, name: str = "control.test", nodes: ssl.SSLContext | None = None
) -> bool:
    """Whether a client that trusts `ca` alone shakes hands with it, in memory."""
    sent, received = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context(cafile=str(ca)).wrap_bio(
        received, sent, server_hostname=name
    )
    server = tls.beside(nodes).wrap_bio(sent, received, server_side=True)
    for _ in range(4):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return True


def test_a_changed_file_counts_at_the_next_look_and_half_of_one_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(certificate_watch, "warn", said.append)
    (old, old_ca), (new, new_ca) = (certificate(tmp_path / name) for name in ("old", "new"))
    pem = tmp_path / "control.pem"
    pem.write_bytes(old)
    tls = ControlTls((str(pem), str(pem)))
    assert is_shown(tls, old_ca)
    pem.write_bytes(new[:100])
    for _ in range(STOOD_LOOKS * 3):
        tls.look()
        assert is_shown(tls, old_ca)
    assert len(said) == 1
    assert said[0].startswith(f"control's certificate stays as it was: {pem}: ")
    pem.write_bytes(new)
    tls.look()
    assert is_shown(tls, new_ca)
    assert not is_shown(tls, old_ca)
    tls.look()
    assert len(said) == 1


def test_a_key_that_comes_after_its_certificate_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(certificate_watch, "warn", said.append)
    (old, _), (new, new_ca) = (certificate(tmp_path / name) for name in ("old", "new"))
    pem, key = tmp_path / "control.pem", tmp_path / "control.key"
    for path in (pem, key):
        path.write_bytes(old)
    tls = ControlTls((str(pem), str(key)))
    pem.write_bytes(new)
    tls.look()
    key.write_bytes(new)
    tls.look()
    assert is_shown(tls, new_ca)
    assert said == []


def test_a_start_without_a_usable_pair_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CertificateFileError, match="no such file"):
        ControlTls((str(tmp_path / "x.pem"), str(tmp_path / "x.pem")))


def test_nodes_see_the_certificate_of_their_authority_at_the_same_listener(tmp_path: Path) -> None:
    pem, ca = certificate(tmp_path / "operators")
    file = tmp_path / "control.pem"
    file.write_bytes(pem)
    own_name = f"control.{DOMAIN}"
    own = development_certificate(tmp_path / "nodes", [own_name], datetime.now(UTC))
    nodes = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    nodes.load_cert_chain(own)
    tls = ControlTls((str(file), str(file)))
    assert is_shown(tls, ca, nodes=nodes)
    assert is_shown(tls, ca_file(tmp_path / "nodes"), own_name, nodes)
    assert not is_shown(tls, ca_file(tmp_path / "nodes"), nodes=nodes)
