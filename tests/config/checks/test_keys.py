"""Keys, groups and who names them: every problem with its place, and what is read from files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.config.problems import ConfigError
from tests.rules.private.signature_vectors import EC_KEY, RSA_KEY

SITE = """
[[distributions]]
id = "E1"
aliases = ["site.test"]
origins = [{ id = "o", domain_name = "origin.test" }]
default_behavior = { origin = "o"%s }
"""
KEYS = """
[[public_keys]]
id = "K1"
pem_file = "rsa.pem"

[[public_keys]]
id = "K2"
pem_file = "ec.pem"
"""
GROUP = '[[key_groups]]\nid = "team"\nkeys = ["K1", "K2"]\n'
TRUSTING = SITE % ', trusted_key_groups = ["team"]'
SMALL_CURVE = """-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEx
-----END PUBLIC KEY-----
"""


def loaded(folder: Path, text: str) -> Config:
    (folder / "rsa.pem").write_text(RSA_KEY)
    (folder / "ec.pem").write_text(EC_KEY)
    (folder / "bad.pem").write_text(SMALL_CURVE)
    (folder / "edgecache.toml").write_text(text)
    return load(folder / "edgecache.toml")


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    return [str(problem) for problem in caught.value.problems]


def test_keys_travel_in_the_configuration(tmp_path: Path) -> None:
    config = loaded(tmp_path, KEYS + GROUP + TRUSTING)
    assert [key.pem for key in config.public_keys] == [RSA_KEY, EC_KEY]
    assert not any(key.pem_file for key in config.public_keys)
    assert config.distributions[0].default_behavior.trusted_key_groups == ("team",)


def test_accounts_name_keys(tmp_path: Path) -> None:
    accounts = '[trusted_signers]\nself = ["K1"]\n123456789012 = ["K2"]\n'
    named = SITE % ', trusted_signers = ["self", "123456789012"]'
    config = loaded(tmp_path, KEYS + accounts + named)
    assert config.trusted_signers == {"self": ("K1",), "123456789012": ("K2",)}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            KEYS + TRUSTING,
            'distributions[0].default_behavior.trusted_key_groups[0]: "team" is not a key group'
            " (there is none)",
        ),
        (
            KEYS + GROUP + SITE % ', trusted_key_groups = ["teem"]',
            'distributions[0].default_behavior.trusted_key_groups[0]: "teem" is not a key group'
            ' (known: "team")',
        ),
        (
            KEYS + SITE % ', trusted_signers = ["self"]',
            'distributions[0].default_behavior.trusted_signers[0]: "self" is not an account of'
            " trusted_signers (there is none)",
        ),
        (
            KEYS + GROUP + SITE % (', trusted_key_groups = ["team"' + ', "team"' * 4 + "]"),
            "distributions[0].default_behavior.trusted_key_groups: 5 are more than 4 "
            "(quotas.key_groups_per_cache_behavior)",
        ),
        (
            KEYS + '[[key_groups]]\nid = "team"\nkeys = ["K3"]\n',
            'key_groups[0].keys[0]: "K3" is not a public key (known: "K1", "K2")',
        ),
        (
            KEYS + '[[key_groups]]\nid = "team"\n',
            "key_groups[0].keys: empty: nobody could sign",
        ),
        (
            KEYS + '[[key_groups]]\nid = "team"\nkeys = ["K1"' + ', "K1"' * 5 + "]\n",
            "key_groups[0].keys: 6 are more than 5 (quotas.public_keys_per_key_group)",
        ),
        (KEYS + GROUP + GROUP, 'key_groups[1].id: "team" is another group\'s too'),
        (KEYS + KEYS, 'public_keys[2].id: "K1" is another key\'s too'),
        ('[[public_keys]]\nid = "K1"\n', "public_keys[0].pem: missing (or a pem_file)"),
        (
            '[[public_keys]]\nid = "K_1"\npem_file = "rsa.pem"\n',
            'public_keys[0].id: "K_1" is not an id (letters, digits)',
        ),
        (
            '[[public_keys]]\nid = "K1"\npem_file = "bad.pem"\n',
            "public_keys[0].pem: not the PEM of a public key",
        ),
        (
            '[[public_keys]]\nid = "K1"\npem_file = "gone.pem"\n',
            'public_keys[0].pem_file: "gone.pem": no such file or directory',
        ),
        (
            SITE % ', trusted_native_keys = ["k1", "k1"]',
            'distributions[0].default_behavior.trusted_native_keys[1]: "k1" is named twice',
        ),
    ],
)
def test_problems_have_their_place(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in problems(tmp_path, text)


@pytest.mark.parametrize("wrapped", [True, False])
def test_keys_may_stand_in_documents_of_cloudfronts(tmp_path: Path, wrapped: bool) -> None:
    key = {"Id": "K9", "PublicKeyConfig": {"Name": "n", "EncodedKey": RSA_KEY, "Comment": "c"}}
    group = {"Id": "team", "KeyGroupConfig": {"Name": "t", "Items": ["K9"]}}
    named = {"key.json": ("PublicKey", key), "group.json": ("KeyGroup", group)}
    for name, (kind, document) in named.items():
        (tmp_path / name).write_text(json.dumps({kind: document} if wrapped else document))
    text = 'public_keys = [{ file = "key.json" }]\nkey_groups = [{ file = "group.json" }]\n'
    config = loaded(tmp_path, text + TRUSTING)
    assert (config.public_keys[0].id, config.public_keys[0].comment) == ("K9", "c")
    assert config.public_keys[0].pem == RSA_KEY
    assert config.key_groups[0].keys == ("K9",)


def test_a_wrong_document_says_where(tmp_path: Path) -> None:
    (tmp_path / "group.json").write_text('{"KeyGroup": {"Id": "t", "KeyGroupConfig": {}}}')
    found = problems(tmp_path, 'key_groups = [{ file = "group.json" }]\n')
    assert found[0] == (
        "key_groups[0](group.json).KeyGroup.KeyGroupConfig.Items:"
        " expected a list of ids of public keys"
    )
