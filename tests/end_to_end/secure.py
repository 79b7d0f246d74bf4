"""An installation that speaks TLS: LHR50, with a certificate of ours and one of the operator's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edgecache.server.dev_certificate import ca_file, development_certificate
from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.processes import free_ports

OWN = "own.test"  # a site with a certificate of its own, TLS 1.3 at least, without HTTP/2

_OWN_SITE = """
[[distributions]]
id = "EOWN"
aliases = ["own.test"]
default_root_object = "about.html"
http_version = "http1.1"
default_behavior = {{ origin = "bucket" }}

[[distributions.origins]]
id = "bucket"
domain_name = "127.0.0.1"
http_port = {bucket}
access = "identity"

[[distributions.behaviors]]
path_pattern = "/assets/*"
origin = "bucket"
viewer_protocol_policy = "redirect-to-https"

[[distributions.behaviors]]
path_pattern = "/data/*"
origin = "bucket"
viewer_protocol_policy = "https-only"

[distributions.viewer_certificate]
certificate_file = "{pem}"
key_file = "{pem}"
minimum_protocol_version = "TLSv1.3_2025"
"""


@dataclass(frozen=True, slots=True)
class Secure:
    """It runs. `ca` is the authority made for it, `own_ca` the operator's."""

    up: Up
    port: int
    ca: Path
    own_ca: Path

    def url(self, host: str, path: str = "/") -> str:
        return f"https://{host}:{self.port}{path}"

    def resolve(self, host: str) -> tuple[str, str]:
        """curl's option to find `host` here."""
        return "--resolve", f"{host}:{self.port}:127.0.0.1"


def start_secure(folder: Path, played: int = 1) -> Secure:
    """`up`, with its sites behind TLS as well; `played.test` asks the port `played`."""
    installation = make_installation(folder, played=played, workers=1)
    (port,) = free_ports(1)
    operator = folder / "operator"
    pem = development_certificate(operator, [OWN], datetime.now(UTC))
    lhr = f'listen = "127.0.0.1:{installation.ports.lhr}"'
    text = installation.config.read_text().replace(
        lhr, f'{lhr}\nlisten_tls = "127.0.0.1:{port}"', 1
    )
    text += _OWN_SITE.format(bucket=installation.ports.bucket, pem=pem)
    installation.config.write_text(text)
    return Secure(start_up(installation), port, ca_file(installation.state), ca_file(operator))
