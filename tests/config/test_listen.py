"""Addresses to listen on, and the ports of a location as viewers meet them."""

from __future__ import annotations

import pytest

from edgecache.config.listen import ViewerPorts, viewer_ports
from edgecache.config.model import Location


@pytest.mark.parametrize(
    ("listen", "listen_tls", "redirect_port", "ports"),
    [
        ("127.0.0.1:8080", "", 0, ViewerPorts(8080, 443, 0)),
        ("[::1]:8080", "[::1]:8443", 0, ViewerPorts(8080, 8443, 0)),
        ("127.0.0.1:80", "127.0.0.1:8443", 443, ViewerPorts(80, 8443, 443)),
        ("unix:edge.sock", "", 0, ViewerPorts(80, 443, 0)),
    ],
)
def test_the_ports_of_a_location(
    listen: str, listen_tls: str, redirect_port: int, ports: ViewerPorts
) -> None:
    location = Location(name="a", listen=listen, listen_tls=listen_tls, redirect_port=redirect_port)
    assert viewer_ports(location) == ports
