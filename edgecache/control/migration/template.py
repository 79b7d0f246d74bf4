"""A CloudFormation template, of CDK or written by hand, as resource documents.

Law: every `AWS::CloudFront::*` resource is taken over, left out with a word, or a problem. Nothing
else of a template is asked but what these name. CloudFormation's template reference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecache.config.aws.behaviors import FUNCTION_ARNS, REALTIME_LOG_ARNS
from edgecache.config.aws.defaults import with_defaults
from edgecache.config.key_value_stores import FILE_BYTES_MAX as STORE_FILE_BYTES_MAX
from edgecache.config.key_value_stores import read_import, store_id
from edgecache.config.problems import Problem, quoted
from edgecache.control.migration.api_document import UNKNOWN, api_value, shape_of
from edgecache.control.migration.resource_documents import (
    Document,
    MigrationError,
    ResourceDocument,
    ResourceDocuments,
    behaviors_of,
)
from edgecache.control.migration.template_lambda import version_arn
from edgecache.control.migration.template_values import NOTHING, TemplateValues
from edgecache.control.state.resources import ResourceKind, default_domain_name

FILE_BYTES_MAX = 16 * 1024 * 1024  # CloudFormation's own bound is 1 MB
STORE_ARNS = "arn:aws:cloudfront::000000000000:key-value-store/"
_CLOUDFRONT = "AWS::CloudFront::"
_INSTALL = "pip install pyyaml"


@dataclass(frozen=True, slots=True)
class TemplateType:
    """A type of resource: its kind here, the operation that makes it, and the member it takes."""

    kind: ResourceKind
    operation: str
    member: str


TYPES = {
    "CachePolicy": TemplateType(
        ResourceKind.CACHE_POLICY, "CreateCachePolicy", "CachePolicyConfig"
    ),
    "OriginRequestPolicy": TemplateType(
        ResourceKind.ORIGIN_REQUEST_POLICY, "CreateOriginRequestPolicy", "OriginRequestPolicyConfig"
    ),
    "ResponseHeadersPolicy": TemplateType(
        ResourceKind.RESPONSE_HEADERS_POLICY,
        "CreateResponseHeadersPolicy",
        "ResponseHeadersPolicyConfig",
    ),
    "PublicKey": TemplateType(ResourceKind.PUBLIC_KEY, "CreatePublicKey", "PublicKeyConfig"),
    "KeyGroup": TemplateType(ResourceKind.KEY_GROUP, "CreateKeyGroup", "KeyGroupConfig"),
    "OriginAccessControl": TemplateType(
        ResourceKind.ACCESS_CONTROL, "CreateOriginAccessControl", "OriginAccessControlConfig"
    ),
    "ContinuousDeploymentPolicy": TemplateType(
        ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY,
        "CreateContinuousDeploymentPolicy",
        "ContinuousDeploymentPolicyConfig",
    ),
    "CloudFrontOriginAccessIdentity": TemplateType(
        ResourceKind.ACCESS_IDENTITY,
        "CreateCloudFrontOriginAccessIdentity",
        "CloudFrontOriginAccessIdentityConfig",
    ),
}
LEFT_OUT = {  # types that change nothing for viewers
    "MonitoringSubscription": "metrics are at /metrics, without a subscription",
    "AnycastIpList": "`listen` says which addresses are served",
    "RealtimeLogConfig": "its stream is AWS's: see realtime_logs of the file",
}


def read_template_file(text: str, source: str) -> dict[str, Any]:
    """The object that a template's text holds, JSON or YAML. MigrationError."""
    try:
        found = json.loads(text) if text.lstrip().startswith("{") else _yaml(text, source)
    except (ValueError, RecursionError) as error:
        raise MigrationError(source, [f"it is neither JSON nor YAML: {error}"]) from None
    if not isinstance(found, dict):
        raise MigrationError(source, ["it holds no object"])
    return found


def _yaml(text: str, source: str) -> Any:
    """YAML with the short forms of the functions (`!Ref x`). Dates stay text. MigrationError."""
    try:
        import yaml
    except ImportError:
        raise MigrationError(source, [f"a template in YAML needs PyYAML: {_INSTALL}"]) from None

    class Loader(yaml.SafeLoader):
        pass

    def short(loader: Any, suffix: str, node: Any) -> Any:
        if isinstance(node, yaml.ScalarNode):
            value = loader.construct_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            value = loader.construct_sequence(node, deep=True)
        else:
            value = loader.construct_mapping(node, deep=True)
        return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}

    Loader.add_multi_constructor("!", short)
    Loader.yaml_implicit_resolvers = {
        first: [one for one in kept if one[0] != "tag:yaml.org,2002:timestamp"]
        for first, kept in Loader.yaml_implicit_resolvers.items()
    }
    try:  # of aliases a few lines are gigabytes
        if any(isinstance(one, yaml.AliasEvent) for one in yaml.parse(text, Loader)):
            raise ValueError("aliases (*name) are not read")
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def read_template(
    template: Mapping[str, Any],
    source: str,
    *,
    parameters: Mapping[str, str],
    attributes: Mapping[str, str],
) -> ResourceDocuments:
    """Every CloudFront resource of a template; its problems and what is left out stand in it."""
    return _TemplateReader(template, source, parameters, attributes).read()


class _TemplateReader:
    def __init__(
        self,
        template: Mapping[str, Any],
        source: str,
        parameters: Mapping[str, str],
        attributes: Mapping[str, str],
    ) -> None:
        resources = template.get("Resources")
        self._resources = resources if isinstance(resources, dict) else {}
        self._documents = ResourceDocuments(source)
        given = {"AWS::StackName": source.partition(".")[0], **parameters}
        self._values = TemplateValues(
            template, given, attributes, self._attribute, self._documents.problems
        )
        unknown = [
            name
            for name in parameters
            if not name.startswith("AWS::") and name not in (template.get("Parameters") or {})
        ]
        for name in unknown:
            self._wrong("Parameters", f"the template has no parameter {quoted(name)}")
        if template.get("Transform"):
            self._wrong("Transform", "macros run in AWS alone: give the template they make")

    def read(self) -> ResourceDocuments:
        for id, resource in self._resources.items():
            kind = resource.get("Type") if isinstance(resource, dict) else None
            if not isinstance(kind, str):
                self._wrong(id, "a resource has a Type")
            elif kind.startswith(_CLOUDFRONT) and self._is_there(id, resource):
                self._read(id, kind.removeprefix(_CLOUDFRONT))
        return self._documents

    def _is_there(self, id: str, resource: Mapping[str, Any]) -> bool:
        if "Condition" not in resource:
            return True
        return self._values.condition(resource["Condition"], f"{id}.Condition") is True

    def _read(self, id: str, name: str) -> None:
        if name in LEFT_OUT:
            self._documents.left_out.append(Problem(id, f"{name}: {LEFT_OUT[name]}"))
        elif name in TYPES:
            kind = TYPES[name]
            config = self._config(id, kind.operation, kind.member)
            self._add(kind.kind, id, config, id)
        elif name == "Distribution":
            self._read_distribution(id)
        elif name == "Function":
            self._read_function(id)
        elif name == "KeyValueStore":
            self._read_store(id)
        else:
            self._wrong(id, f"{_CLOUDFRONT}{name} is not taken over")

    def _config(self, id: str, operation: str, member: str) -> Document:
        """The configuration of a resource as the API has it."""
        found = self._properties(id).get(member)
        if found is None:
            self._wrong(f"{id}.{member}", "missing")
            return {}
        if member in ("PublicKeyConfig", "CloudFrontOriginAccessIdentityConfig"):
            found = {"CallerReference": id, **found} if isinstance(found, dict) else found
        config = api_value(
            shape_of(operation, member), found, f"{id}.{member}", self._documents.problems
        )
        return config if isinstance(config, dict) else {}

    def _properties(self, id: str) -> Document:
        found = self._values.value(self._resources[id].get("Properties") or {}, id)
        return found if isinstance(found, dict) else {}

    def _read_distribution(self, id: str) -> None:
        config = self._config(id, "CreateDistribution", "DistributionConfig")
        for behavior in behaviors_of(config):
            if behavior.pop("RealtimeLogConfigArn", None):
                said = "RealtimeLogConfigArn: see realtime_logs of the file"
                self._documents.left_out.append(Problem(id, said))
        config.setdefault("CallerReference", f"{self._documents.source}/{id}")
        self._require_origins_elsewhere(id, config)
        self._add(ResourceKind.DISTRIBUTION, id, with_defaults(config), id)

    def _require_origins_elsewhere(self, id: str, config: Document) -> None:
        """A distribution's domain name is another one here, and in no DNS."""
        names = {default_domain_name(one): one for one in self._resources}
        for origin in (config.get("Origins") or {}).get("Items") or []:
            if isinstance(origin, dict) and origin.get("DomainName") in names:
                said = f"an origin is the distribution {names[origin['DomainName']]}: say its host"
                self._wrong(f"{id}.DistributionConfig.Origins", said)

    def _read_function(self, id: str) -> None:
        given = self._properties(id)
        shape = shape_of("CreateFunction", "FunctionConfig")
        place = f"{id}.FunctionConfig"
        config = api_value(shape, given.get("FunctionConfig"), place, self._documents.problems)
        code = given.get("FunctionCode")
        if not isinstance(code, str) and code is not UNKNOWN:
            self._wrong(f"{id}.FunctionCode", "missing, or no text")
        if given.get("AutoPublish") not in (True, "true"):
            self._documents.left_out.append(
                Problem(id, "AutoPublish is not true: it is taken over as it is, and is LIVE here")
            )
        name = given.get("Name")
        function = {"Name": name, "FunctionConfig": config, "FunctionCode": code}
        self._add(ResourceKind.FUNCTION, str(name), function, id)

    def _read_store(self, id: str) -> None:
        given = self._properties(id)
        name = str(given.get("Name", id))
        items = self._items(id) if given.get("ImportSource") else {}
        store = {"Name": name, "Comment": str(given.get("Comment", "")), "Items": items}
        self._add(ResourceKind.KEY_VALUE_STORE, store_id(name), store, id)

    def _items(self, id: str) -> dict[str, str]:
        """What a store is imported with, of a file that the user names."""
        place = f"{id}.ImportSource"
        path = self._values.attributes.get(place)
        if path is None:
            self._wrong(place, f"its items are in S3: give a file of them by --value {place}=FILE")
            return {}
        try:
            with Path(path).open("rb") as opened:
                return read_import(opened.read(STORE_FILE_BYTES_MAX + 1))
        except (OSError, ValueError) as error:
            self._wrong(place, f"{quoted(path)}: {error}")
            return {}

    def _add(self, kind: ResourceKind, id: str, config: Document, place: str) -> None:
        self._documents.resources.append(ResourceDocument(kind, id, config, place))

    def _wrong(self, place: str, message: str) -> None:
        self._documents.problems.append(Problem(place, message))

    def _attribute(self, id: str, attribute: str) -> Any:
        """What Ref ("") or GetAtt give of a resource, where the template says it; else None."""
        kind = self._resources[id].get("Type")
        if kind == "AWS::S3::Bucket":
            return self._bucket(id, attribute)
        if kind == "AWS::Lambda::Version" and attribute in ("", "FunctionArn"):
            evaluate, given = self._values.value, self._values.attributes
            return version_arn(id, self._resources, evaluate, given, self._documents)
        name = str(kind).removeprefix(_CLOUDFRONT)
        if name in TYPES and attribute in ("", "Id"):
            return id
        if name == "Distribution" and attribute in ("", "Id"):
            return id
        if name == "Distribution" and attribute == "DomainName":
            return default_domain_name(id)
        if name == "Function" and attribute in ("", "FunctionARN", "FunctionMetadata.FunctionARN"):
            return self._named(id, FUNCTION_ARNS)
        if name == "RealtimeLogConfig" and attribute in ("", "Arn"):
            return f"{REALTIME_LOG_ARNS}{id}"
        if name == "KeyValueStore":
            found = self._named(id, "")
            if not isinstance(found, str):
                return found
            values = {"": found, "Arn": STORE_ARNS + store_id(found), "Id": store_id(found)}
            return values.get(attribute)
        return None

    def _named(self, id: str, before: str) -> Any:
        """The Name of a resource with text before it."""
        name = self._values.value((self._resources[id].get("Properties") or {}).get("Name"), id)
        return before + name if isinstance(name, str) else None if name is None else UNKNOWN

    def _bucket(self, id: str, attribute: str) -> Any:
        given = (self._resources[id].get("Properties") or {}).get("BucketName")
        name = None if given is None else self._values.value(given, f"{id}.BucketName")
        if not isinstance(name, str):
            return None if name is None or name is NOTHING else UNKNOWN
        if attribute == "RegionalDomainName":
            region = self._values.ref("AWS::Region", f"{id}.{attribute}")
            return f"{name}.s3.{region}.amazonaws.com" if isinstance(region, str) else UNKNOWN
        values = {"": name, "Arn": f"arn:aws:s3:::{name}", "DomainName": f"{name}.s3.amazonaws.com"}
        return values.get(attribute)
