"""JSON of access controls, access identities, public keys and key groups, read and written.

API reference: OriginAccessControl, CloudFrontOriginAccessIdentity, PublicKey, KeyGroup.
"""

from __future__ import annotations

from typing import Any

from edgecache.config.aws.document import DocumentNode, raise_problems
from edgecache.config.aws.origins import choice
from edgecache.config.aws.passthrough import extension_member, with_extension
from edgecache.config.model import KeyGroup, PublicKey
from edgecache.config.origins import OriginAccessControl, OriginAccessIdentity, canonical_user_id
from edgecache.config.problems import Problems

SIGNING_BEHAVIORS = ("always", "never", "no-override")
_ELSEWHERE = frozenset({"id"})
_CONTROL = "OriginAccessControl"
_IDENTITY = "CloudFrontOriginAccessIdentity"


def read_origin_access_control(document: dict[str, Any]) -> OriginAccessControl:
    """Read what `aws cloudfront get-origin-access-control` prints, or what stands inside.

    DocumentError for any other protocol than sigv4 and origins that are not of S3's kind.
    """
    problems = Problems()
    node = _inner(DocumentNode(document, "", problems), _CONTROL)
    id = node.text("Id") if node.has("Id") else ""
    control = _read_control(_inner(node, f"{_CONTROL}Config"), id)
    raise_problems(problems)
    return control


def origin_access_control_config(control: OriginAccessControl) -> dict[str, Any]:
    """The OriginAccessControlConfig; what only we know of it stands in `Edgecache`."""
    written = {
        "Name": control.name,
        "Description": control.description,
        "SigningProtocol": control.signing_protocol,
        "SigningBehavior": control.signing_behavior,
        "OriginAccessControlOriginType": control.origin_type,
    }
    back = _read_control(DocumentNode(written, "", Problems()), control.id)
    return written | extension_member(control, back, _ELSEWHERE)


def read_origin_access_identity(document: dict[str, Any]) -> OriginAccessIdentity:
    """Read what `get-cloud-front-origin-access-identity` prints, or what stands inside.

    The canonical id of a document is kept. DocumentError for what is missing or no text.
    """
    problems = Problems()
    node = _inner(DocumentNode(document, "", problems), _IDENTITY)
    config = _inner(node, f"{_IDENTITY}Config")
    canonical = "S3CanonicalUserId"
    identity = OriginAccessIdentity(
        id=node.text("Id") if node.has("Id") else "",
        s3_canonical_user_id=node.text(canonical) if node.has(canonical) else "",
        caller_reference=config.text("CallerReference"),
        comment=config.text("Comment"),
    )
    raise_problems(problems)
    return identity


def origin_access_identity_document(identity: OriginAccessIdentity) -> dict[str, Any]:
    """The CloudFrontOriginAccessIdentity, its canonical id written out."""
    return {
        "Id": identity.id,
        "S3CanonicalUserId": identity.s3_canonical_user_id or canonical_user_id(identity.id),
        f"{_IDENTITY}Config": {
            "CallerReference": identity.caller_reference,
            "Comment": identity.comment,
        },
    }


def read_public_key(document: dict[str, Any]) -> PublicKey:
    """Read what `aws cloudfront get-public-key` prints, or the PublicKey alone. DocumentError."""
    node, config = _open_config(document, "PublicKey")
    key = PublicKey(
        id=node.text("Id"),
        name=config.text("Name"),
        pem=config.text("EncodedKey"),
        comment=_comment(config),
    )
    raise_problems(config.problems)
    return key


def read_key_group(document: dict[str, Any]) -> KeyGroup:
    """Read what `aws cloudfront get-key-group` prints, or the KeyGroup alone. DocumentError."""
    node, config = _open_config(document, "KeyGroup")
    items = config.value.get("Items")
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        config.wrong("Items", "expected a list of ids of public keys")
        items = []
    group = KeyGroup(
        id=node.text("Id"), name=config.text("Name"), keys=tuple(items), comment=_comment(config)
    )
    raise_problems(config.problems)
    return group


def _read_control(config: DocumentNode, id: str) -> OriginAccessControl:
    control = OriginAccessControl(
        id=id,
        name=config.text("Name"),
        description=config.text("Description") if config.has("Description") else "",
        signing_protocol=choice(config, "SigningProtocol", ("sigv4",)),
        signing_behavior=choice(config, "SigningBehavior", SIGNING_BEHAVIORS),
        origin_type=choice(config, "OriginAccessControlOriginType", ("s3",)),
    )
    return with_extension(control, config)


def _inner(node: DocumentNode, name: str) -> DocumentNode:
    return node.child(name) if node.has(name) else node


def _open_config(document: dict[str, Any], name: str) -> tuple[DocumentNode, DocumentNode]:
    whole = DocumentNode(document, "", Problems())
    node = whole.child(name) if whole.has(name) else whole
    return node, node.child(f"{name}Config")


def _comment(config: DocumentNode) -> str:
    return config.text("Comment") if config.has("Comment") else ""
