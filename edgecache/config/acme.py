"""Names for which certificates are issued by ACME, and checks of what is said of it.

Law: only what HTTP-01 can prove is asked for: host names, no wildcards (RFC 8555 §8.3), no
addresses, no names of this machine.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from edgecache.config.model import Config, Distribution
from edgecache.config.problems import Problems, quoted

_EMAIL = re.compile(r"[^@\s:/?,;]{1,64}@[A-Za-z0-9.-]{1,255}")  # one mailbox (RFC 8555 §7.3)
_NAME = re.compile(r"[a-z0-9_][a-z0-9_-]*(\.[a-z0-9_-]+)*\.[a-z][a-z0-9-]*[a-z0-9]")


def issued_names(config: Config, distribution: Distribution) -> tuple[str, ...]:
    """The names of the certificate issued for a distribution; none where it has its own."""
    if config.certificates != "acme" or not distribution.enabled:
        return ()
    if distribution.viewer_certificate.certificate_file:
        return ()
    return tuple(dict.fromkeys(filter(provable, map(str.lower, distribution.aliases))))


def provable(name: str) -> bool:
    """Whether HTTP-01 can prove a name."""
    return bool(_NAME.fullmatch(name)) and not name.endswith(".localhost")


def check_acme(config: Config, problems: Problems) -> None:
    """Settings of ACME."""
    control = config.control
    if control is None:
        if config.certificates == "acme":
            problems.add("certificates", '"acme" needs a [control], which asks for them')
        return
    if "\0" in control.acme_challenges:
        problems.add("control.acme_challenges", f"{quoted(control.acme_challenges)} is not a path")
    acme = control.acme
    if acme.email and not _EMAIL.fullmatch(acme.email):
        problems.add("control.acme.email", f"{quoted(acme.email)} is not an address (name@host)")
    url = urlsplit(acme.directory_url)
    if url.scheme != "https" or not url.hostname:
        why = "is not the https URL of a directory (RFC 8555 §7.1.1)"
        problems.add("control.acme.directory_url", f"{quoted(acme.directory_url)} {why}")
