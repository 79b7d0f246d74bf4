"""Access controls, identities, secret headers and client certificates: what is refused, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.config.origins import (
    OriginAccessControl,
    OriginAccessIdentity,
    canonical_user_id,
    credential_of,
)
from edgecache.config.problems import ConfigError

SITE = """
[[distributions]]
id = "E1"
aliases = ["site.test"]
default_behavior = { origin = "o" }
[[distributions.origins]]
id = "o"
domain_name = "origin.test"
"""
CONTROL = '[[origin_access_controls]]\nid = "E2"\nname = "store"\n'
IDENTITY = '[[origin_access_identities]]\nid = "E3"\n'


def loaded(folder: Path, text: str) -> Config:
    (folder / "edgecache.toml").write_text(text)
    return load(folder / "edgecache.toml")


def test_tables_are_read(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        CONTROL + 'signing_behavior = "no-override"\nregion = "eu-west-2"\n' + IDENTITY + SITE,
    )
    assert config.origin_access_controls == (
        OriginAccessControl(
            id="E2", name="store", signing_behavior="no-override", region="eu-west-2"
        ),
    )
    assert config.origin_access_identities == (OriginAccessIdentity(id="E3"),)


@pytest.mark.parametrize(
    ("control", "name"),
    [
        (OriginAccessControl(id="E2", name="store", credential="key"), "key"),
        (OriginAccessControl(id="E2", name="store"), "store"),
        (OriginAccessControl(id="E2"), "E2"),
    ],
)
def test_a_control_names_its_key_pair(control: OriginAccessControl, name: str) -> None:
    assert credential_of(control) == name


def test_canonical_ids_are_made_of_the_id() -> None:
    assert canonical_user_id("E3") == canonical_user_id("E3") != canonical_user_id("E4")
    assert len(canonical_user_id("E3")) == 96


def test_documents_stand_for_tables(tmp_path: Path) -> None:
    config = {
        "Name": "store",
        "Description": "",
        "SigningProtocol": "sigv4",
        "SigningBehavior": "always",
        "OriginAccessControlOriginType": "s3",
    }
    document = {
        "ETag": "x",
        "OriginAccessControl": {"Id": "E2", "OriginAccessControlConfig": config},
    }
    (tmp_path / "oac.json").write_text(json.dumps(document))
    text = 'origin_access_controls = [{ file = "oac.json", credential = "k", region = "r" }]\n'
    found = loaded(tmp_path, text + SITE).origin_access_controls
    assert found == (OriginAccessControl(id="E2", name="store", credential="k", region="r"),)


def test_files_of_proofs_are_found_beside_the_configuration(tmp_path: Path) -> None:
    proofs = 'protocol_policy = "https-only"\nclient_certificate_file = "c.pem"\n'
    proofs += 'client_key_file = "k.pem"\n'
    proofs += 'secret_headers = { x-a = "file:v.txt", x-b = "env:V" }\n'
    origin = loaded(tmp_path, SITE + proofs).distributions[0].origins[0]
    assert origin.client_certificate_file == str(tmp_path / "c.pem")
    assert origin.client_key_file == str(tmp_path / "k.pem")
    assert origin.secret_headers == {"x-a": f"file:{tmp_path}/v.txt", "x-b": "env:V"}


CONTROL_AT = "origin_access_controls[0]"
ORIGIN_AT = "distributions[0].origins[0]"
SECOND = '[[origin_access_controls]]\nid = "E4"\nname = "store"\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (CONTROL + CONTROL, 'origin_access_controls[1].id: "E2" names another one too'),
        (CONTROL + SECOND, 'origin_access_controls[1].name: "store" is another control\'s too'),
        (
            CONTROL + 'signing_behavior = "sometimes"\n',
            f'{CONTROL_AT}.signing_behavior: "sometimes" is not one of "always", "never",'
            ' "no-override"',
        ),
        (
            CONTROL + 'signing_protocol = "sigv4a"\n',
            f'{CONTROL_AT}.signing_protocol: "sigv4a" is not one of "sigv4"',
        ),
        (CONTROL + 'region = "a/b"\n', f'{CONTROL_AT}.region: "a/b" is not a region'),
        (CONTROL + 'service = ""\n', f'{CONTROL_AT}.service: "" is not a service'),
        (
            CONTROL + 'credential = "a b"\n',
            f'{CONTROL_AT}.credential: "a b" is not the name of a key pair'
            " (letters, digits, - _ .)",
        ),
        (
            CONTROL + f'description = "{"x" * 257}"\n',
            f"{CONTROL_AT}.description: 257 characters are more than 256",
        ),
        (
            '[[origin_access_identities]]\nid = "E 3"\n',
            'origin_access_identities[0].id: "E 3" is not an id (letters, digits, - _)',
        ),
        (
            IDENTITY + 's3_canonical_user_id = "abc"\n',
            'origin_access_identities[0].s3_canonical_user_id: "abc" is not 64 to 96 hexadecimal'
            " digits",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text + SITE)
    assert problem in [str(found) for found in caught.value.problems]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            'secret_headers = { x-a = "hunter2" }',
            f'{ORIGIN_AT}.secret_headers.x-a: expected "env:NAME" or "file:PATH", where the value'
            " stands",
        ),
        (
            'secret_headers = { "x a" = "env:V" }',
            f'{ORIGIN_AT}.secret_headers: "x a" is not a header\'s name',
        ),
        (
            'secret_headers = { x-a = "env:V" }\ncustom_headers = { X-A = "v" }',
            f"{ORIGIN_AT}.secret_headers.x-a: is a custom header too",
        ),
        (
            'client_key_file = "k.pem"',
            f"{ORIGIN_AT}.client_certificate_file: missing: a client_key_file needs one",
        ),
        (
            'client_key_file = "k.pem"\nclient_certificate_file = "c.pem"',
            f'{ORIGIN_AT}.client_certificate_file: not used with protocol "http-only"',
        ),
    ],
)
def test_proofs_of_an_origin_are_checked(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, SITE + line + "\n")
    assert problem in [str(found) for found in caught.value.problems]
