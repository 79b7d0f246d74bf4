"""Bucket policies, read and evaluated. Law: what no statement allows is denied.

Amazon S3 User Guide, "Bucket policies"; IAM User Guide, "IAM JSON policy evaluation logic". What
is not understood is refused when the policy is read, so that no condition is passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

POLICY_BYTES_MAX = 20_480  # S3's quota
STATEMENTS_MAX = 1_000  # far more than fit
OAI_ARN = "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity "
ANYBODY = "*"

_STATEMENT = {"Sid", "Effect", "Principal", "Action", "Resource"}
_PRINCIPALS = ("AWS", "CanonicalUser")
_ACTION = re.compile(r"\*|s3:[A-Za-z*?]{1,64}", re.IGNORECASE)


class BucketAction(StrEnum):
    """Action on a bucket and its objects, as policies name it."""

    GET_OBJECT = "s3:GetObject"
    GET_OBJECT_VERSION = "s3:GetObjectVersion"
    LIST_BUCKET = "s3:ListBucket"


class PolicyError(ValueError):
    """A policy that cannot be used; one line with the place in it."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}" if where else problem)


@dataclass(frozen=True, slots=True)
class Statement:
    """One rule. `principals` are `*`, ARNs and canonical ids; the patterns match whole words."""

    allows: bool
    principals: frozenset[str]
    actions: tuple[re.Pattern[str], ...]
    resources: tuple[re.Pattern[str], ...]

    def concerns(self, who: frozenset[str], action: BucketAction, resource: str) -> bool:
        return (
            bool(self.principals & who)
            and any(pattern.fullmatch(action) for pattern in self.actions)
            and any(pattern.fullmatch(resource) for pattern in self.resources)
        )


@dataclass(frozen=True, slots=True)
class BucketPolicy:
    """The rules of the bucket `bucket`. `canonical_of` gives an identity's canonical id."""

    bucket: str
    statements: tuple[Statement, ...]
    canonical_of: Callable[[str], str]

    def allows(self, identity: str, action: BucketAction, key: str = "") -> bool:
        """Whether `identity` (an id, or empty for nobody named) may do `action` to an object.

        Without a `key` the bucket itself is meant. A statement that denies wins.
        """
        who = frozenset({ANYBODY})
        if identity:
            who |= {OAI_ARN + identity, self.canonical_of(identity)}
        resource = f"arn:aws:s3:::{self.bucket}" + (f"/{key}" if key else "")
        verdicts = [rule.allows for rule in self.statements if rule.concerns(who, action, resource)]
        return bool(verdicts) and all(verdicts)


def read_policy(document: bytes, bucket: str, canonical_of: Callable[[str], str]) -> BucketPolicy:
    """The policy in a JSON document. PolicyError names the place of what cannot be used."""
    if len(document) > POLICY_BYTES_MAX:
        raise PolicyError("", f"more than {POLICY_BYTES_MAX} bytes")
    try:
        policy = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise PolicyError("", f"not JSON: {error}") from None
    statements = tuple(_statement(item, where) for where, item in _statements(policy))
    return BucketPolicy(bucket, statements, canonical_of)


def _statements(policy: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    _only(policy, "", {"Version", "Id", "Statement"})
    if policy.get("Version", "2012-10-17") not in ("2012-10-17", "2008-10-17"):
        raise PolicyError("Version", "expected 2012-10-17")
    listed = policy.get("Statement")
    if isinstance(listed, dict):
        listed = [listed]
    if not isinstance(listed, list) or not 0 < len(listed) <= STATEMENTS_MAX:
        raise PolicyError("Statement", f"expected 1 to {STATEMENTS_MAX} statements")
    for index, item in enumerate(listed):
        yield f"Statement[{index}]", item


def _statement(item: dict[str, Any], where: str) -> Statement:
    _only(item, where, _STATEMENT)
    effect = item.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise PolicyError(f"{where}.Effect", "expected Allow or Deny")
    actions = _texts(item.get("Action"), f"{where}.Action")
    for action in actions:
        if not _ACTION.fullmatch(action):
            raise PolicyError(f"{where}.Action", f"{action!r} is not an action of S3's")
    resources = _texts(item.get("Resource"), f"{where}.Resource")
    return Statement(
        effect == "Allow",
        _principals(item.get("Principal"), f"{where}.Principal"),
        tuple(_pattern(action, re.IGNORECASE) for action in actions),
        tuple(_pattern(resource) for resource in resources),
    )


def _principals(value: Any, where: str) -> frozenset[str]:
    if value == ANYBODY:
        return frozenset({ANYBODY})
    _only(value, where, set(_PRINCIPALS))
    principals = [name for kind in value for name in _texts(value[kind], f"{where}.{kind}")]
    if not principals:
        raise PolicyError(where, "empty: it would be nobody's")
    return frozenset(principals)


def _only(value: Any, where: str, known: set[str]) -> None:
    """An object with known members; Condition, NotPrincipal and their like are not among them."""
    if not isinstance(value, dict):
        raise PolicyError(where, "expected an object")
    for name in value:
        if name not in known:
            place = f"{where}.{name}" if where else name
            raise PolicyError(place, "is not known here")


def _texts(value: Any, where: str) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise PolicyError(where, "expected text, or a list of texts")
    return texts


def _pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """`*` is any number of characters, `/` too; `?` is one."""
    escaped = re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, flags | re.DOTALL)


def policy_for(identity: str, bucket: str, canonical: str) -> dict[str, Any]:
    """The policy that lets one origin access identity read objects, and nobody else."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": identity,
                "Effect": "Allow",
                "Principal": {"CanonicalUser": canonical},
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/*",
            }
        ],
    }
