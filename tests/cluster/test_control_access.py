"""Where the environment says control is, and what admits us there."""

from __future__ import annotations

import pytest

from edgecache.cluster.control_access import (
    AccessError,
    control_urls,
    environment_access,
    read_url,
)
from edgecache.config.model import Cluster, Config, Control

KEY = {"EDGECACHE_ACCESS_KEY_ID": "EDGEA", "EDGECACHE_SECRET_ACCESS_KEY": "s"}


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1:8090", "http://127.0.0.1:8090"),
        ("localhost", "http://localhost:8090"),
        ("[::1]:8090", "http://[::1]:8090"),
        ("cdn.example.com:8090", "https://cdn.example.com:8090"),
        ("cdn.example.com", "https://cdn.example.com:8090"),
        ("10.0.0.1:80", "https://10.0.0.1:80"),
        ("http://edgecache:8090", "http://edgecache:8090"),
        ("http://edgecache/", "http://edgecache:80"),
        ("https://cdn.example.com", "https://cdn.example.com:443"),
        ("HTTPS://CDN.example.com:1", "https://cdn.example.com:1"),
    ],
)
def test_urls(text: str, url: str) -> None:
    assert read_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        *(":8090", "http://", "ftp://a", "a:99999", "a:0", "a:b", "http://u:p@a", "a/path", "a?b"),
        *("http://a/api", "a b", "a\nb", "http://a#b", "unix:control.sock", "[::1", "a,b"),
    ],
)
def test_what_is_no_control(text: str) -> None:
    with pytest.raises(AccessError, match="EDGECACHE_CONTROL: "):
        read_url(text)


def test_a_key_comes_before_a_token_and_neither_is_shown() -> None:
    env = {"EDGECACHE_CONTROL": "a", "EDGECACHE_TOKEN": "t", **KEY, "EDGECACHE_CA_FILE": "ca.pem"}
    access = environment_access(env)
    assert access is not None
    assert access.key is not None
    assert (access.token, access.key.access_key_id, access.ca_file) == ("", "EDGEA", "ca.pem")
    token = environment_access({"EDGECACHE_CONTROL": "a", "EDGECACHE_TOKEN": "token"})
    assert token is not None
    assert (token.token, token.key, token.is_open) == ("token", None, False)
    assert "token" not in repr(token)
    assert environment_access(KEY) is None


@pytest.mark.parametrize(
    ("env", "line"),
    [
        (
            {"EDGECACHE_ACCESS_KEY_ID": "a"},
            "EDGECACHE_ACCESS_KEY_ID is set and EDGECACHE_SECRET_ACCESS_KEY is not",
        ),
        (
            {"EDGECACHE_SECRET_ACCESS_KEY": "a"},
            "EDGECACHE_SECRET_ACCESS_KEY is set and EDGECACHE_ACCESS_KEY_ID is not",
        ),
        (
            {"EDGECACHE_TOKEN": "a\nb"},
            "EDGECACHE_TOKEN: not 1-512 printable characters without blanks",
        ),
        (
            {**KEY, "EDGECACHE_ACCESS_KEY_ID": "ä"},
            "EDGECACHE_ACCESS_KEY_ID: not 1-512 printable characters without blanks",
        ),
    ],
)
def test_what_cannot_be_used_is_one_line(env: dict[str, str], line: str) -> None:
    with pytest.raises(AccessError) as error:
        environment_access({"EDGECACHE_CONTROL": "a", **env})
    assert str(error.value) == line


def test_several_controls() -> None:
    access = environment_access(
        {"EDGECACHE_CONTROL": "a,localhost,https://c", "EDGECACHE_TOKEN": "t"}
    )
    assert access is not None
    assert access.url == "https://a:8090"
    assert access.others == ("http://localhost:8090", "https://c:443")
    with pytest.raises(AccessError, match="'' is not"):
        environment_access({"EDGECACHE_CONTROL": "a,"})


def test_a_file_names_each_control_or_where_this_machines_own_is() -> None:
    control = Control(listen="10.0.0.5:8090", advertise="c.test:8090")
    assert control_urls(Config(control=control)) == ("http://c.test:8090",)
    control = Control(listen="10.0.0.5:8090", addresses=("c.test:8090", "d.test:8091"))
    assert control_urls(Config(control=control)) == ("http://c.test:8090", "http://d.test:8091")
    secured = Config(control=control, cluster=Cluster(mutual_tls=True))
    assert control_urls(secured) == ("https://c.test:8090", "https://d.test:8091")
    assert control_urls(Config()) == ()
