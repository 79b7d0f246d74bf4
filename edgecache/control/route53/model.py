"""Route 53's API as data: botocore's model of version 2013-04-01, its errors, its quotas.

Law: what the parts that both APIs share refuse has this API's code.
"""

from __future__ import annotations

from functools import cache

from edgecache.config.checks import dns_zones
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.model import ServiceModel, service_model

VERSION = "2013-04-01"
PREFIX = f"/{VERSION}"
NAMESPACE = f"https://route53.amazonaws.com/doc/{VERSION}/"
_CODES = {
    "InconsistentQuantities": "InvalidInput",
    "InvalidArgument": "InvalidInput",
    "MissingBody": "InvalidInput",
}

# Developer Guide, "Quotas"; API reference, ChangeResourceRecordSets.
BATCH_CHARS_MAX = 32_000  # of the values of one batch; those of an UPSERT count twice
BATCH_RECORDS_MAX = 1_000  # counted likewise
CIDR_BLOCKS_MAX = dns_zones.BLOCKS_MAX  # of one collection
CIDR_COLLECTIONS_MAX = dns_zones.COLLECTIONS_MAX
HEALTH_CHECKS_MAX = 200
LIST_MAX = 300  # record sets of a page
PAGE_MAX = 100  # of all other lists
RECORD_SETS_MAX = dns_zones.RECORDS_MAX  # of one zone
TAGGED_MAX = 10  # zones of one question for tags
TAGS_MAX = 10  # of one zone
VPCS_MAX = 300  # of one private zone
ZONES_MAX = dns_zones.ZONES_MAX


@cache
def route53() -> ServiceModel:
    """The model; read once."""
    return service_model("route53", VERSION, NAMESPACE)


class Route53Error(ApiError):
    """Why a call is refused: a code of the API and a message that names the member."""

    @property
    def status(self) -> int:
        """The HTTP status the model gives the code."""
        return route53().statuses[self.code]


def as_route53_error(fault: ApiError) -> Route53Error:
    """What the parts that both APIs share refuse, as this API says it."""
    if isinstance(fault, Route53Error):
        return fault
    return Route53Error(_CODES.get(fault.code, fault.code), fault.message)


def invalid_batch(messages: list[str]) -> Route53Error:
    """A batch of changes is refused, with a message for each of them that cannot be."""
    return Route53Error("InvalidChangeBatch", f"[{', '.join(messages)}]")
