"""Settings of ACME: what is refused, which names are proved, what is warned of."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from edgecache.config.checks.site import check_control, issued_names, provable
from edgecache.config.lint import lint
from edgecache.config.model import (
    Acme,
    Behavior,
    Config,
    Control,
    Distribution,
    Location,
    Origin,
    ViewerCertificate,
)
from edgecache.config.problems import Problems

SITE = Distribution(
    id="E",
    aliases=("www.example.org", "*.example.org", "Example.ORG", "192.0.2.1", "localhost"),
    origins=(Origin(id="o", domain_name="origin.test"),),
    default_behavior=Behavior(origin="o"),
)


def said(config: Config) -> list[str]:
    problems = Problems()
    check_control(config, problems)
    return [*map(str, problems.found)]


@pytest.mark.parametrize(
    ("config", "lines"),
    [
        (Config(), []),
        (Config(control=Control(acme=Acme(email="me@example.org")), certificates="acme"), []),
        (
            Config(certificates="acme"),
            ['certificates: "acme" needs a [control], which asks for them'],
        ),
        (
            Config(control=Control(acme=Acme(email="me,you@example.org"))),
            ['control.acme.email: "me,you@example.org" is not an address (name@host)'],
        ),
        (
            Config(control=Control(acme=Acme(directory_url="http://acme.test/dir"))),
            [
                'control.acme.directory_url: "http://acme.test/dir" is not the https URL of a '
                "directory (RFC 8555 §7.1.1)"
            ],
        ),
        (
            Config(control=Control(acme_challenges="a\0b")),
            ['control.acme_challenges: "a\\x00b" is not a path'],
        ),
    ],
)  # fmt: skip
def test_what_is_refused(config: Config, lines: list[str]) -> None:
    assert said(config) == lines


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("example.org", True),
        ("a-b.example.co.uk", True),
        ("xn--bcher-kva.example", True),
        ("*.example.org", False),
        ("*", False),
        ("localhost", False),
        ("app.localhost", False),
        ("127.0.0.1", False),
        ("[::1]", False),
    ],
)
def test_names_that_http_proves(name: str, good: bool) -> None:
    assert provable(name) is good


def test_names_of_a_certificate() -> None:
    acme = Config(certificates="acme", control=Control())
    assert issued_names(acme, SITE) == ("www.example.org", "example.org")
    assert issued_names(Config(control=Control()), SITE) == ()
    assert issued_names(acme, replace(SITE, enabled=False)) == ()
    own = ViewerCertificate(certificate_file="/own.pem", key_file="/own.pem")
    assert issued_names(acme, replace(SITE, viewer_certificate=own)) == ()
    arn = ViewerCertificate(acm_certificate_arn="arn:aws:acm:us-east-1:1:certificate/x")
    assert issued_names(acme, replace(SITE, viewer_certificate=arn)) != ()


def test_names_without_a_certificate_are_warned_of() -> None:
    place = Location(name="A", listen="127.0.0.1:80", listen_tls="127.0.0.1:443")
    config = Config(
        certificates="acme", control=Control(), locations=(place,), distributions=(SITE,)
    )
    lines = [str(one) for one in lint(config) if "certificate" in str(one)]
    assert lines == [
        'distributions[0].aliases: no certificate is issued for "*.example.org", "192.0.2.1": '
        "HTTP-01 proves no wildcards and no addresses; name a viewer_certificate"
    ]
