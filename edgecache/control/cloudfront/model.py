"""CloudFront's API as data: every operation, where it is asked, what it takes and gives.

The model is botocore's own (`service-2.json` of API version 2020-05-31), so that the wire form of
an operation is right by construction. Shapes are botocore's `botocore.model.Shape`. botocore is
imported when the model is first wanted: of our processes only control wants it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

VERSION = "2020-05-31"
PREFIX = f"/{VERSION}"
NAMESPACE = f"http://cloudfront.amazonaws.com/doc/{VERSION}/"

COMMON_FAULTS = {  # those of every AWS service, which the model leaves out
    "AccessDenied": 403,
    "IncompleteSignature": 400,
    "InternalFailure": 500,
    "InvalidClientTokenId": 403,
    "InvalidationBatchAlreadyExists": 400,
    "MalformedInput": 400,
    "MissingAuthenticationToken": 403,
    "NotImplemented": 501,
    "RequestEntityTooLarge": 413,
    "RequestExpired": 400,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "Throttling": 400,
    "UnknownOperation": 404,
}


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation. Of its path `{Name}` is any one segment; `query` tells it from its like."""

    name: str
    method: str
    path: tuple[str, ...]
    query: frozenset[tuple[str, str]]
    status: int
    takes: Any  # a structure, or None
    gives: Any  # a structure, or None
    namespace: str = NAMESPACE  # of the elements of its answer

    @property
    def root(self) -> str:
        """The name of the request's root element; empty when there is no XML in its body."""
        return "" if self.takes is None else root_of(self.takes)


def root_of(shape: Any) -> str:
    """The name of the root element of a request of this shape."""
    payload = shape.serialization.get("payload")
    if payload:
        member = shape.members[payload]
        name = element_name(payload, member)
        return name if member.type_name == "structure" else ""
    in_body = any("location" not in member.serialization for member in shape.members.values())
    return str(shape.serialization.get("locationName", shape.name)) if in_body else ""


def element_name(name: str, shape: Any) -> str:
    """The name of the element of the member `name`."""
    return str(shape.serialization.get("name", name))


@dataclass(frozen=True, slots=True, eq=False)
class ServiceModel:
    """All operations by name, and the HTTP status of every fault."""

    operations: Mapping[str, Operation]
    statuses: Mapping[str, int]
    _by_method: Mapping[str, list[Operation]]
    _prefix: str = PREFIX

    def match(self, method: str, path: str, query: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation a request line means, and its path's values; None when there is none.

        `path` is as sent: what is encoded in it, a slash of an ARN for instance, stays one value.
        """
        segments = path.removeprefix(self._prefix).strip("/").split("/")
        given = frozenset(parse_qsl(query, keep_blank_values=True))
        for operation in self._by_method.get(method, ()):
            if operation.query <= given:
                values = _values(operation.path, segments)
                if values is not None:
                    return operation, values
        return None


def _values(path: tuple[str, ...], segments: list[str]) -> dict[str, str] | None:
    if len(path) != len(segments):
        return None
    values = {}
    for wanted, segment in zip(path, segments, strict=True):
        if wanted.startswith("{"):
            values[wanted.strip("{}")] = unquote(segment)
        elif wanted != segment:
            return None
    return values


@cache
def api() -> ServiceModel:
    """The model; read once, 0.1 s and 15 MB with what botocore imports."""
    return service_model("cloudfront", VERSION, NAMESPACE)


def service_model(service: str, version: str, namespace: str) -> ServiceModel:
    """The model of a version of a service whose API is REST with XML."""
    from botocore.loaders import Loader
    from botocore.model import ServiceModel as AwsModel

    aws = AwsModel(Loader().load_service_model(service, "service-2", version))
    operations = {}
    statuses = dict(COMMON_FAULTS)
    for name in aws.operation_names:
        model = aws.operation_model(name)
        operations[name] = _operation(model, f"/{version}", namespace)
        for fault in model.error_shapes:
            told = fault.metadata.get("error", {}).get("httpStatusCode", 400)
            statuses[fault.name] = int(told)
    by_method: dict[str, list[Operation]] = {}
    for operation in sorted(operations.values(), key=_rank):
        by_method.setdefault(operation.method, []).append(operation)
    return ServiceModel(operations, statuses, by_method, f"/{version}")


def _operation(model: Any, prefix: str, namespace: str) -> Operation:
    uri, _, query = model.http["requestUri"].partition("?")
    return Operation(
        name=model.name,
        method=model.http["method"],
        path=tuple(uri.removeprefix(prefix).strip("/").split("/")),
        query=frozenset(parse_qsl(query, keep_blank_values=True)),
        status=int(model.http.get("responseCode", 200)),
        takes=model.input_shape,
        gives=model.output_shape,
        namespace=namespace,
    )


def _rank(operation: Operation) -> tuple[int, int]:
    """Sort key: operations with more exact paths and queries are tried first."""
    return -len(operation.query), sum(part.startswith("{") for part in operation.path)


def names(operations: Iterable[Operation]) -> list[str]:
    """Their names in order."""
    return sorted(operation.name for operation in operations)
