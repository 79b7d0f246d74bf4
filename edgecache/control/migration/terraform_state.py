"""What `terraform show -json` prints of a state, as resource documents.

Law: a state has what Terraform last read, computed values too; a plan has not, and is refused.
Terraform, "JSON Output Format"; AWS provider, `aws_cloudfront_*`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgecache.config.aws.defaults import with_defaults
from edgecache.config.problems import Problem
from edgecache.control.migration.api_document import api_value, shape_of
from edgecache.control.migration.resource_documents import (
    Document,
    MigrationError,
    ResourceDocument,
    ResourceDocuments,
    behaviors_of,
)
from edgecache.control.migration.template import TYPES
from edgecache.control.state.resources import ResourceKind, default_domain_name

MODULES_MAX = 1_000  # in each other or beside each other
_PREFIX = "aws_cloudfront_"
_TYPES = {
    "cache_policy": "CachePolicy",
    "origin_request_policy": "OriginRequestPolicy",
    "response_headers_policy": "ResponseHeadersPolicy",
    "public_key": "PublicKey",
    "key_group": "KeyGroup",
    "origin_access_control": "OriginAccessControl",
    "origin_access_identity": "CloudFrontOriginAccessIdentity",
    "continuous_deployment_policy": "ContinuousDeploymentPolicy",
}
_LEFT_OUT = {
    "monitoring_subscription": "metrics are at /metrics, without a subscription",
    "realtime_log_config": "its stream is AWS's: see realtime_logs of the file",
}
_ITEM = "aws_cloudfrontkeyvaluestore_key"
_ITEMS = "aws_cloudfrontkeyvaluestore_keys_exclusive"
_COMPUTED = {  # what Terraform keeps beside a configuration
    "arn", "cloudfront_access_identity_path", "domain_name", "etag", "hosted_zone_id", "iam_arn",
    "id", "in_progress_validation_batches", "last_modified_time", "live_stage_etag", "name_prefix",
    "logging_v1_enabled", "region", "retain_on_delete", "s3_canonical_user_id", "status", "tags",
    "tags_all", "timeouts", "trusted_key_groups", "trusted_signers", "wait_for_deployment",
    "anycast_ip_list_id",
}  # fmt: skip


def is_state(document: Mapping[str, Any]) -> bool:
    """Whether it is Terraform's JSON, of a state or a plan, and no template."""
    return "format_version" in document and "terraform_version" in document


def read_state(document: Mapping[str, Any], source: str) -> ResourceDocuments:
    """Every CloudFront resource of a state; its problems stand in it. MigrationError for a plan."""
    values = document.get("values")
    if "planned_values" in document or not isinstance(values, dict):
        said = "a plan has not all values: give what `terraform show -json` prints of the state"
        raise MigrationError(source, [said])
    reader = _StateReader(source)
    listed = [*_resources(values.get("root_module"))]
    for one in listed:
        reader.read(one)
    for one in listed:
        reader.read_items(one)
    reader.name_staging_distributions()
    return reader.documents


def _resources(root: Any) -> Iterator[Document]:
    """The resources of all modules that Terraform manages."""
    modules = [root]
    for count, module in enumerate(modules):
        if not isinstance(module, dict) or count >= MODULES_MAX:
            continue
        modules += module.get("child_modules") or []
        for one in module.get("resources") or []:
            if isinstance(one, dict) and one.get("mode") == "managed":
                yield one


class _StateReader:
    def __init__(self, source: str) -> None:
        self.documents = ResourceDocuments(source)
        self._ids: dict[str, str] = {}  # of distributions, by their domain names

    def read(self, resource: Document) -> None:
        kind = str(resource.get("type"))
        place, values = str(resource.get("address")), resource.get("values")
        if not kind.startswith(_PREFIX) or not isinstance(values, dict):
            return
        name = kind.removeprefix(_PREFIX)
        if name in _LEFT_OUT:
            self.documents.left_out.append(Problem(place, _LEFT_OUT[name]))
        elif name in _TYPES:
            type = TYPES[_TYPES[name]]
            config = self._config(type.operation, type.member, _configuration(values), place)
            self._add(type.kind, str(values.get("id")), config, place)
        elif name == "distribution":
            self._read_distribution(values, place)
        elif name == "function":
            self._read_function(values, place)
        elif name == "key_value_store":
            comment = values.get("comment") or ""
            store: Document = {"Name": values.get("name"), "Comment": comment, "Items": {}}
            id = str(values.get("arn")).rpartition("/")[2]
            self._add(ResourceKind.KEY_VALUE_STORE, id, store, place)
        else:
            self.documents.problems.append(Problem(place, f"{kind} is not taken over"))

    def read_items(self, resource: Document) -> None:
        """What a store holds, which are resources of their own."""
        kind, values = resource.get("type"), resource.get("values")
        if kind not in (_ITEM, _ITEMS) or not isinstance(values, dict):
            return
        id = str(values.get("key_value_store_arn")).rpartition("/")[2]
        stores = [*self.documents.of(ResourceKind.KEY_VALUE_STORE)]
        items = next((one.config["Items"] for one in stores if one.id == id), None)
        if items is None:
            place = str(resource.get("address"))
            self.documents.problems.append(Problem(place, "its store is not in the state"))
            return
        pairs = [values] if kind == _ITEM else values.get("resource_key_value_pair") or []
        items |= {str(one["key"]): str(one["value"]) for one in pairs}

    def name_staging_distributions(self) -> None:
        """Have continuous deployment policies name theirs by the domain names of here."""
        for one in self.documents.of(ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY):
            listed = one.config.get("StagingDistributionDnsNames", {})
            for index, name in enumerate(listed.get("Items", ())):
                if name in self._ids:
                    listed["Items"][index] = default_domain_name(self._ids[name])
                else:
                    said = f"its staging distribution {name} is not in the state"
                    self.documents.problems.append(Problem(one.place, said))

    def _config(self, operation: str, member: str, values: Document, place: str) -> Document:
        shape = shape_of(operation, member)
        config = api_value(shape, values, place, self.documents.problems)
        return config if isinstance(config, dict) else {}

    def _read_distribution(self, values: Document, place: str) -> None:
        given = _configuration(values)
        config = self._config("CreateDistribution", "DistributionConfig", given, place)
        for behavior in behaviors_of(config):
            if behavior.pop("RealtimeLogConfigArn", None):
                said = "realtime_log_config_arn: see realtime_logs of the file"
                self.documents.left_out.append(Problem(place, said))
        config.setdefault("CallerReference", place)
        id = str(values.get("id"))
        self._ids[str(values.get("domain_name"))] = id
        self._add(ResourceKind.DISTRIBUTION, id, with_defaults(config), place)

    def _read_function(self, values: Document, place: str) -> None:
        stores = values.get("key_value_store_associations") or []
        config = {
            "Comment": values.get("comment") or "",
            "Runtime": values.get("runtime"),
            "KeyValueStoreAssociations": [{"KeyValueStoreARN": arn} for arn in stores],
        }
        given = self._config("CreateFunction", "FunctionConfig", config, place)
        code = values.get("code")
        if not isinstance(code, str):
            self.documents.problems.append(Problem(f"{place}.code", "missing, or no text"))
        if values.get("publish") is False:
            said = "publish is false: it is taken over as it is, and is LIVE here"
            self.documents.left_out.append(Problem(place, said))
        name = str(values.get("name"))
        function = {"Name": name, "FunctionConfig": given, "FunctionCode": code}
        self._add(ResourceKind.FUNCTION, name, function, place)

    def _add(self, kind: ResourceKind, id: str, config: Document, place: str) -> None:
        self.documents.resources.append(ResourceDocument(kind, id, config, place))


def _configuration(values: Document) -> Document:
    """The values without what Terraform keeps beside, and without what says nothing."""
    return {
        name: _plain(one)
        for name, one in values.items()
        if name not in _COMPUTED and not _is_left_out(name, one)
    }


def _plain(value: Any) -> Any:
    """Blocks without what the provider writes of members left out: null, empty lists and texts."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if not _is_left_out(name, one)}
    return value


def _is_left_out(name: str, value: Any) -> bool:
    if name in ("response_code", "response_completion_timeout") and value == 0:
        return True
    return value is None or value == [] or (value == "" and name != "value")
