"""Public keys and key groups of a document. API reference: PublicKey, KeyGroup."""

from __future__ import annotations

from typing import Any

from edgecache.config.aws.document import DocumentError, DocumentNode
from edgecache.config.model import KeyGroup, PublicKey
from edgecache.config.problems import Problems


def read_public_key(document: dict[str, Any]) -> PublicKey:
    """What `aws cloudfront get-public-key` prints, or the PublicKey alone. DocumentError."""
    node, config = _opened(document, "PublicKey")
    found = PublicKey(
        id=node.text("Id"),
        name=config.text("Name"),
        pem=config.text("EncodedKey"),
        comment=_comment(config),
    )
    _raise(config)
    return found


def read_key_group(document: dict[str, Any]) -> KeyGroup:
    """What `aws cloudfront get-key-group` prints, or the KeyGroup alone. DocumentError."""
    node, config = _opened(document, "KeyGroup")
    items = config.value.get("Items")
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        config.wrong("Items", "expected a list of ids of public keys")
        items = []
    found = KeyGroup(
        id=node.text("Id"), name=config.text("Name"), keys=tuple(items), comment=_comment(config)
    )
    _raise(config)
    return found


def _opened(document: dict[str, Any], name: str) -> tuple[DocumentNode, DocumentNode]:
    whole = DocumentNode(document, "", Problems())
    node = whole.child(name) if whole.has(name) else whole
    return node, node.child(f"{name}Config")


def _comment(config: DocumentNode) -> str:
    return config.text("Comment") if config.has("Comment") else ""


def _raise(node: DocumentNode) -> None:
    if node.problems.found:
        raise DocumentError(node.problems.found)
