"""Resource documents written over CloudFront's API: created, changed, or as they were.

Law: all of them, or none: what was done is taken back when one is refused. What is there already
is found by its name, a distribution and an access identity by its CallerReference, so that a
second run changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from edgecache.config.aws.defaults import with_defaults
from edgecache.config.problems import Problem
from edgecache.control.cloudfront.resource_types import BY_KIND
from edgecache.control.migration.resource_documents import (
    Document,
    MigrationError,
    ResourceDocument,
    ResourceDocuments,
    with_ids,
)
from edgecache.control.state.resources import ResourceKind, default_domain_name

Word = Literal["created", "changed", "unchanged"]


@dataclass(frozen=True, slots=True)
class ApiNames:
    """The operations of a kind: `create_NOUN`, `get_NOUN_config`, and how its list is called.

    `by` is the member of its configuration that it is found by.
    """

    noun: str
    member: str
    listed: str
    list_member: str
    inner: str = ""
    by: str = "Name"


NAMES = {
    ResourceKind.PUBLIC_KEY: ApiNames(
        "public_key", "PublicKeyConfig", "list_public_keys", "PublicKeyList"
    ),
    ResourceKind.KEY_GROUP: ApiNames(
        "key_group", "KeyGroupConfig", "list_key_groups", "KeyGroupList", "KeyGroup"
    ),
    ResourceKind.ACCESS_CONTROL: ApiNames(
        "origin_access_control",
        "OriginAccessControlConfig",
        "list_origin_access_controls",
        "OriginAccessControlList",
    ),
    ResourceKind.ACCESS_IDENTITY: ApiNames(
        "cloud_front_origin_access_identity",
        "CloudFrontOriginAccessIdentityConfig",
        "list_cloud_front_origin_access_identities",
        "CloudFrontOriginAccessIdentityList",
        by="CallerReference",
    ),
    ResourceKind.CACHE_POLICY: ApiNames(
        "cache_policy",
        "CachePolicyConfig",
        "list_cache_policies",
        "CachePolicyList",
        "CachePolicy",
    ),
    ResourceKind.ORIGIN_REQUEST_POLICY: ApiNames(
        "origin_request_policy",
        "OriginRequestPolicyConfig",
        "list_origin_request_policies",
        "OriginRequestPolicyList",
        "OriginRequestPolicy",
    ),
    ResourceKind.RESPONSE_HEADERS_POLICY: ApiNames(
        "response_headers_policy",
        "ResponseHeadersPolicyConfig",
        "list_response_headers_policies",
        "ResponseHeadersPolicyList",
        "ResponseHeadersPolicy",
    ),
    ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY: ApiNames(
        "continuous_deployment_policy",
        "ContinuousDeploymentPolicyConfig",
        "list_continuous_deployment_policies",
        "ContinuousDeploymentPolicyList",
        "ContinuousDeploymentPolicy",
        by="StagingDistributionDnsNames",
    ),
    ResourceKind.DISTRIBUTION: ApiNames(
        "distribution",
        "DistributionConfig",
        "list_distributions",
        "DistributionList",
        by="CallerReference",
    ),
}
"""In the order they are made: what is named comes before what names it."""


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """What became of one resource, and the id it has there."""

    place: str
    kind: ResourceKind
    id: str
    word: Word


@dataclass(slots=True)
class AccountUpdate:
    """Writing of documents by a client of CloudFront's API."""

    client: Any
    ids: dict[str, str] = field(default_factory=dict)  # of the documents, to those it has there
    _undo: list[Callable[[], object]] = field(default_factory=list)

    def write(self, documents: ResourceDocuments) -> list[ResourceChange]:
        """Write all; MigrationError when one is refused, and then all is as it was."""
        from botocore.exceptions import BotoCoreError, ClientError

        for one in documents.of(ResourceKind.KEY_VALUE_STORE):
            if one.config["Items"]:
                said = "what a store holds is not written over the API: import it --into a folder"
                documents.problems.append(Problem(one.place, said))
        for function in documents.lambda_functions.values():
            said = "Lambda functions are the file's to say: import it --into a folder"
            documents.problems.append(Problem(function.place, said))
        documents.raise_problems()
        changes: list[ResourceChange] = []
        place = ""
        try:
            for one in self._ordered(documents):
                place = one.place
                changes.append(self._write(one))
        except (ClientError, BotoCoreError) as error:
            lines = [f"{place}: {error}", *self._taken_back()]
            raise MigrationError(documents.source, lines) from None
        return changes

    def _ordered(self, documents: ResourceDocuments) -> Iterator[ResourceDocument]:
        yield from documents.of(ResourceKind.KEY_VALUE_STORE)
        yield from documents.of(ResourceKind.FUNCTION)
        sites = [*documents.of(ResourceKind.DISTRIBUTION)]
        for kind in NAMES:
            if kind == ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY:
                yield from (one for one in sites if one.config.get("Staging"))
            if kind != ResourceKind.DISTRIBUTION:
                yield from documents.of(kind)
        yield from (one for one in sites if not one.config.get("Staging"))

    def _taken_back(self) -> Iterator[str]:
        """Undo what was done, the last first; what could not be undone."""
        from botocore.exceptions import BotoCoreError, ClientError

        for undo in reversed(self._undo):
            try:
                undo()
            except (ClientError, BotoCoreError) as error:
                yield f"not taken back: {error}"

    def _write(self, one: ResourceDocument) -> ResourceChange:
        if one.kind == ResourceKind.FUNCTION:
            return self._write_function(one)
        if one.kind == ResourceKind.KEY_VALUE_STORE:
            return self._write_store(one)
        names = NAMES[one.kind]
        config = self._filled(one.kind, with_ids(one, self.ids))
        known = self._known(names, config[names.by])
        if known is None:
            made = getattr(self.client, f"create_{names.noun}")(**{names.member: config})
            id = made[names.member.removesuffix("Config")]["Id"]
            self._undo.append(lambda: self._delete(one.kind, names, id))
            return self._told(one, id, "created")
        before = getattr(self.client, f"get_{names.noun}_config")(Id=known)
        former = before[names.member]
        if self._filled(one.kind, former) == config:
            return self._told(one, known, "unchanged")
        self._update(names, known, config)
        self._undo.append(lambda: self._update(names, known, former))
        return self._told(one, known, "changed")

    def _filled(self, kind: ResourceKind, config: Document) -> Document:
        if kind == ResourceKind.DISTRIBUTION:
            return with_defaults(config)
        return BY_KIND[kind].fill(config)

    def _update(self, names: ApiNames, id: str, config: Document) -> None:
        etag = getattr(self.client, f"get_{names.noun}_config")(Id=id)["ETag"]
        update = getattr(self.client, f"update_{names.noun}")
        update(Id=id, IfMatch=etag, **{names.member: config})

    def _delete(self, kind: ResourceKind, names: ApiNames, id: str) -> None:
        read = getattr(self.client, f"get_{names.noun}_config")
        if kind == ResourceKind.DISTRIBUTION:
            self._update(names, id, read(Id=id)[names.member] | {"Enabled": False})
        getattr(self.client, f"delete_{names.noun}")(Id=id, IfMatch=read(Id=id)["ETag"])

    def _known(self, names: ApiNames, value: str) -> str | None:
        """The id of the resource that is found by `value`, where there is one."""
        for item in self._listed(names):
            inner: Document = item[names.inner] if names.inner else item
            config: Document = inner.get(names.member, inner)
            if names.by not in config:
                config = getattr(self.client, f"get_{names.noun}_config")(Id=inner["Id"])
                config = config[names.member]
            if config[names.by] == value:
                return str(inner["Id"])
        return None

    def _listed(self, names: ApiNames) -> Iterator[Document]:
        typed = names.noun.endswith("_policy") and names.by == "Name"
        custom = {"Type": "custom"} if typed else {}
        more: dict[str, str] = {}
        while True:
            page = getattr(self.client, names.listed)(**custom, **more)[names.list_member]
            yield from page.get("Items", ())
            if not page.get("NextMarker"):
                return
            more = {"Marker": page["NextMarker"]}

    def _write_function(self, one: ResourceDocument) -> ResourceChange:
        client, name = self.client, one.name
        config = with_ids(one, self.ids)["FunctionConfig"]
        given = {"FunctionConfig": config, "FunctionCode": one.config["FunctionCode"].encode()}
        try:
            summary = client.describe_function(Name=name, Stage="LIVE")["FunctionSummary"]
        except client.exceptions.NoSuchFunctionExists:
            made = client.create_function(Name=name, **given)
            self._undo.append(lambda: self._delete_function(name))
            client.publish_function(Name=name, IfMatch=made["ETag"])
            return self._told(one, name, "created")
        former = {
            "FunctionConfig": summary["FunctionConfig"],
            "FunctionCode": client.get_function(Name=name, Stage="LIVE")["FunctionCode"].read(),
        }
        if _without_counts(former) == _without_counts(given):
            return self._told(one, name, "unchanged")
        self._publish(name, given)
        self._undo.append(lambda: self._publish(name, former))
        return self._told(one, name, "changed")

    def _publish(self, name: str, given: Document) -> None:
        etag = self.client.describe_function(Name=name)["ETag"]
        made = self.client.update_function(Name=name, IfMatch=etag, **given)
        self.client.publish_function(Name=name, IfMatch=made["ETag"])

    def _delete_function(self, name: str) -> None:
        etag = self.client.describe_function(Name=name)["ETag"]
        self.client.delete_function(Name=name, IfMatch=etag)

    def _write_store(self, one: ResourceDocument) -> ResourceChange:
        client = self.client
        word: Word = "unchanged"
        try:
            found = client.describe_key_value_store(Name=one.name)
        except client.exceptions.EntityNotFound:
            comment = one.config["Comment"]
            found = client.create_key_value_store(Name=one.name, Comment=comment)
            etag = found["ETag"]
            self._undo.append(lambda: client.delete_key_value_store(Name=one.name, IfMatch=etag))
            word = "created"
        store = found["KeyValueStore"]
        self.ids[one.id] = store["ARN"]  # functions name it by the ARN that ends so
        return ResourceChange(one.place, one.kind, store["Id"], word)

    def _told(self, one: ResourceDocument, id: str, word: Word) -> ResourceChange:
        self.ids[one.id] = id
        if one.config.get("Staging"):  # a policy names it by its domain name
            site = self.client.get_distribution(Id=id)["Distribution"]
            self.ids[default_domain_name(one.id)] = site["DomainName"]
        return ResourceChange(one.place, one.kind, id, word)


def _without_counts(function: Document) -> Document:
    """A function's configuration and code, to be compared."""
    config = function["FunctionConfig"]
    stores = config.get("KeyValueStoreAssociations", {}).get("Items", [])
    return {
        "comment": config.get("Comment", ""),
        "runtime": config["Runtime"],
        "stores": [one["KeyValueStoreARN"] for one in stores],
        "code": function["FunctionCode"],
    }
