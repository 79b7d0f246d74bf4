"""One call of the REST API, as its operations get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgecache.control.cloudfront.context import ApiServices, OperationContext


@dataclass(frozen=True, slots=True)
class RestCall:
    """Input of one operation: values of the path and the query by name, and the body."""

    services: ApiServices
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes = b""

    @property
    def context(self) -> OperationContext:
        """The call as functions of CloudFront's API take it, without input of theirs."""
        return OperationContext(self.services, {})
