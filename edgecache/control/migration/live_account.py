"""A distribution of a live account, and everything it names, as resource documents.

Law: what a distribution names is read, or a problem that says which operation refused it. The
account is asked by reading operations alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from edgecache.config.aws.behaviors import FUNCTION_ARN
from edgecache.config.aws.origins import OAI_PREFIX
from edgecache.config.managed import (
    CACHE_POLICIES,
    ORIGIN_REQUEST_POLICIES,
    RESPONSE_HEADERS_POLICIES,
)
from edgecache.config.problems import Problem
from edgecache.control.cloudfront.resource_types import BY_KIND
from edgecache.control.migration.resource_documents import (
    Document,
    ResourceDocument,
    ResourceDocuments,
    behaviors_of,
)
from edgecache.control.state.resources import ResourceKind, default_domain_name

StoreReader = Callable[[str], dict[str, str]]
"""What the store of an ARN holds. ValueError says why that cannot be read."""

OPERATIONS = {  # the operation that reads a kind
    ResourceKind.CACHE_POLICY: "get_cache_policy",
    ResourceKind.ORIGIN_REQUEST_POLICY: "get_origin_request_policy",
    ResourceKind.RESPONSE_HEADERS_POLICY: "get_response_headers_policy",
    ResourceKind.PUBLIC_KEY: "get_public_key",
    ResourceKind.KEY_GROUP: "get_key_group",
    ResourceKind.ACCESS_CONTROL: "get_origin_access_control",
    ResourceKind.ACCESS_IDENTITY: "get_cloud_front_origin_access_identity",
}
_MANAGED = (
    {one.id for one in CACHE_POLICIES}
    | {one.id for one in ORIGIN_REQUEST_POLICIES}
    | {one.id for one in RESPONSE_HEADERS_POLICIES}
)
_POLICIES = {
    "CachePolicyId": ResourceKind.CACHE_POLICY,
    "OriginRequestPolicyId": ResourceKind.ORIGIN_REQUEST_POLICY,
    "ResponseHeadersPolicyId": ResourceKind.RESPONSE_HEADERS_POLICY,
}


@dataclass(slots=True)
class LiveAccount:
    """An account as a client of CloudFront's API reaches it (boto3's or botocore's).

    `read_store` reads what a key value store holds, over a service of its own.
    """

    client: Any
    read_store: StoreReader
    documents: ResourceDocuments
    _seen: set[tuple[ResourceKind, str]] = field(default_factory=set)

    def read(self, ids: Iterable[str]) -> ResourceDocuments:
        """The distributions of these ids, what they name before them."""
        for id in ids:
            config = self._answer(id, "get_distribution_config", Id=id).get("DistributionConfig")
            if config is not None:
                self._read_distribution(id, config)
        return self.documents

    def _read_distribution(self, id: str, config: Document) -> None:
        if not self._is_new(ResourceKind.DISTRIBUTION, id):
            return
        if config.get("ContinuousDeploymentPolicyId"):
            self._read_deployment(config["ContinuousDeploymentPolicyId"])
        for behavior in behaviors_of(config):
            if behavior.pop("RealtimeLogConfigArn", ""):
                said = "RealtimeLogConfigArn: see realtime_logs of the file"
                self.documents.left_out.append(Problem(id, said))
            self._read_behavior(behavior)
        for origin in config["Origins"].get("Items", ()):
            self._read_named(ResourceKind.ACCESS_CONTROL, origin.get("OriginAccessControlId", ""))
            identity = origin.get("S3OriginConfig", {}).get("OriginAccessIdentity", "")
            self._read_named(ResourceKind.ACCESS_IDENTITY, identity.removeprefix(OAI_PREFIX))
        self._add(ResourceKind.DISTRIBUTION, id, config)

    def _read_deployment(self, id: str) -> None:
        """A continuous deployment policy, its staging distribution before it."""
        answer = self._answer(id, "get_continuous_deployment_policy", Id=id)
        if not answer or not self._is_new(ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY, id):
            return
        config = answer["ContinuousDeploymentPolicy"]["ContinuousDeploymentPolicyConfig"]
        names = {name.lower() for name in config["StagingDistributionDnsNames"].get("Items", ())}
        listed = self._pages("list_distributions", "DistributionList")
        staging = next((one["Id"] for one in listed if one["DomainName"].lower() in names), None)
        if staging is None:
            self._wrong(id, f"there is no staging distribution {', '.join(sorted(names))}")
            return
        self.read([staging])
        named = {"Quantity": 1, "Items": [default_domain_name(staging)]}
        config = {**config, "StagingDistributionDnsNames": named}
        self._add(ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY, id, config)

    def _read_behavior(self, behavior: Document) -> None:
        for member, kind in _POLICIES.items():
            if behavior.get(member) not in _MANAGED:
                self._read_named(kind, behavior.get(member, ""))
        for group in behavior.get("TrustedKeyGroups", {}).get("Items", ()):
            self._read_named(ResourceKind.KEY_GROUP, group)
        for one in behavior.get("FunctionAssociations", {}).get("Items", ()):
            found = FUNCTION_ARN.fullmatch(one["FunctionARN"])
            if found is not None:
                self._read_function(found[1])

    def _read_named(self, kind: ResourceKind, id: str) -> None:
        """A resource of one of the uniform kinds; of a group its keys before it."""
        if not id or not self._is_new(kind, id):
            return
        type = BY_KIND[kind]
        answer = self._answer(id, OPERATIONS[kind], Id=id)
        if not answer:
            return
        config = answer[type.name][type.config]
        if kind == ResourceKind.KEY_GROUP:
            for key in config["Items"]:
                self._read_named(ResourceKind.PUBLIC_KEY, key)
        self._add(kind, id, config)

    def _read_function(self, name: str) -> None:
        if not self._is_new(ResourceKind.FUNCTION, name):
            return
        stage = {"Name": name, "Stage": "LIVE"}
        summary = self._answer(name, "describe_function", **stage).get("FunctionSummary")
        code = self._answer(name, "get_function", **stage).get("FunctionCode")
        if summary is None or code is None:
            return
        config = summary["FunctionConfig"]
        for one in config.get("KeyValueStoreAssociations", {}).get("Items", ()):
            self._read_store(one["KeyValueStoreARN"])
        try:
            text = code.read().decode()
        except UnicodeDecodeError:
            self._wrong(name, "its code is not UTF-8 text")
            return
        function = {"Name": name, "FunctionConfig": config, "FunctionCode": text}
        self._add(ResourceKind.FUNCTION, name, function)

    def _read_store(self, arn: str) -> None:
        id = arn.rpartition("/")[2]
        if not self._is_new(ResourceKind.KEY_VALUE_STORE, id):
            return
        listed = self._pages("list_key_value_stores", "KeyValueStoreList")
        found = next((one for one in listed if one["ARN"] == arn), None)
        if found is None:
            self._wrong(arn, "there is no such key value store")
            return
        try:
            items = self.read_store(arn)
        except ValueError as error:
            self._wrong(found["Name"], str(error))
            return
        store = {"Name": found["Name"], "Comment": found.get("Comment", ""), "Items": items}
        self._add(ResourceKind.KEY_VALUE_STORE, id, store)

    def _pages(self, operation: str, member: str) -> Iterator[Document]:
        """The items of every page of a list."""
        marker: dict[str, str] = {}
        while True:
            listed = self._answer(operation, operation, **marker).get(member, {})
            yield from listed.get("Items", ())
            if not listed.get("NextMarker"):
                return
            marker = {"Marker": listed["NextMarker"]}

    def _answer(self, place: str, operation: str, **members: str) -> Document:
        """An operation's answer; empty, with a problem, when it is refused."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: Document = getattr(self.client, operation)(**members)
        except (ClientError, BotoCoreError) as error:
            self._wrong(place, str(error))
            return {}
        return answer

    def _is_new(self, kind: ResourceKind, id: str) -> bool:
        new = (kind, id) not in self._seen
        self._seen.add((kind, id))
        return new

    def _add(self, kind: ResourceKind, id: str, config: Document) -> None:
        self.documents.resources.append(ResourceDocument(kind, id, config, id))

    def _wrong(self, place: str, message: str) -> None:
        self.documents.problems.append(Problem(place, message))


def store_reader(client: Any) -> StoreReader:
    """Reads stores by a client of the service cloudfront-keyvaluestore, page by page."""

    def read(arn: str) -> dict[str, str]:
        from botocore.exceptions import BotoCoreError, ClientError

        items: dict[str, str] = {}
        more: dict[str, str] = {}
        try:
            while True:
                page = client.list_keys(KvsARN=arn, **more)
                items |= {one["Key"]: one["Value"] for one in page.get("Items", ())}
                if not page.get("NextToken"):
                    return items
                more = {"NextToken": page["NextToken"]}
        except (ClientError, BotoCoreError) as error:
            raise ValueError(f"its items: {error}") from None

    return read
