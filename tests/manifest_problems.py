"""What is wrong with manifests: what an API server would refuse, and what it would run wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import kubernetes_validate

from edgecache.config.listen import tcp_address
from edgecache.config.model import Config
from tests.commands import is_taken
from tests.kustomization import Objects, matches, pods

OLDEST, NEWEST = "1.29", "1.34"  # of Kubernetes
COMPONENT = "app.kubernetes.io/component"
PROCESS_BYTES = 100 * 1024 * 1024
SUFFIXES = {"Mi": 1024**2, "Gi": 1024**3}
SPARE_S = 5

# prometheus-operator's CRD, `kubectl explain servicemonitor.spec`: the fields we use.
SERVICE_MONITOR = {
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "monitoring.coreos.com/v1"},
        "kind": {"const": "ServiceMonitor"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["selector", "endpoints"],
            "properties": {
                "selector": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["matchLabels"],
                    "properties": {
                        "matchLabels": {
                            "type": "object",
                            "minProperties": 1,
                            "additionalProperties": {"type": "string"},
                        }
                    },
                },
                "endpoints": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["port", "path"],
                        "properties": {
                            "port": {"type": "string"},
                            "path": {"const": "/metrics"},
                            "interval": {"type": "string", "pattern": "^[0-9]+s$"},
                            "authorization": {
                                "type": "object",
                                "additionalProperties": False,
                                "properties": {
                                    "type": {"const": "Bearer"},
                                    "credentials": {
                                        "type": "object",
                                        "additionalProperties": False,
                                        "required": ["name", "key"],
                                        "properties": {
                                            "name": {"type": "string"},
                                            "key": {"type": "string"},
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def named(objects: Objects) -> dict[tuple[str, str], dict[str, Any]]:
    found = {(one["kind"], one["metadata"]["name"]): one for one in objects}
    assert len(found) == len(objects), "two objects of one kind and name"
    return found


def schema_problems(objects: Objects) -> Iterator[str]:
    """What an API server, of the oldest version and of the newest, would refuse."""
    for one in objects:
        name = f"{one['kind']} {one['metadata']['name']}"
        try:
            if one["kind"] == "ServiceMonitor":
                jsonschema.validate(one, SERVICE_MONITOR)
                continue
            for version in (OLDEST, NEWEST):
                kubernetes_validate.validate(one, version, strict=True)
        except jsonschema.ValidationError as error:
            yield f"{name}: {error.message}"


def problems(objects: Objects, config: Config) -> Iterator[str]:
    """What an API server would take, and what would not work."""
    known = named(objects)
    labels = [template["metadata"]["labels"] for _, template in pods(objects)]
    for workload, template in pods(objects):
        yield from _workload_problems(workload, template, known)
        yield from _process_problems(template, config)
    for one in objects:
        where = f"{one['kind']} {one['metadata']['name']}"
        spec = one.get("spec", {})
        if one["kind"] == "Service":
            yield from _service_problems(one, objects)
        selector = {"PodDisruptionBudget": "selector", "NetworkPolicy": "podSelector"}
        if one["kind"] in selector:
            chosen = spec[selector[one["kind"]]]
            if not any(matches(chosen, each) for each in labels):
                yield f"{where}: selects no pod"
        if one["kind"] == "ServiceMonitor":
            services = [x for x in objects if x["kind"] == "Service"]
            chosen = [
                x for x in services if matches(spec["selector"], x["metadata"].get("labels", {}))
            ]
            ports = {port["name"] for x in chosen for port in x["spec"]["ports"]}
            if not {each["port"] for each in spec["endpoints"]} <= ports:
                yield f"{where}: no Service has its port"
    yield from _name_problems(config, known)


def _workload_problems(
    workload: dict[str, Any], template: dict[str, Any], known: dict[tuple[str, str], Any]
) -> Iterator[str]:
    where = f"{workload['kind']} {workload['metadata']['name']}"
    spec, pod = workload["spec"], template["spec"]
    if not matches(spec["selector"], template["metadata"]["labels"]):
        yield f"{where}: its selector does not select its own pods"
    claims = [one["metadata"]["name"] for one in spec.get("volumeClaimTemplates", ())]
    volumes = {one["name"] for one in pod["volumes"]} | {*claims}
    for volume in pod["volumes"]:
        source = volume.get("configMap")
        if source and ("ConfigMap", source["name"]) not in known:
            yield f"{where}: there is no ConfigMap {source['name']}"
    if workload["kind"] == "StatefulSet" and ("Service", spec["serviceName"]) not in known:
        yield f"{where}: there is no Service {spec['serviceName']}"
    (container,) = pod["containers"]
    for mount in container["volumeMounts"]:
        if mount["name"] not in volumes:
            yield f"{where}: there is no volume {mount['name']}"
    if pod["securityContext"].get("runAsNonRoot") is not True:
        yield f"{where}: runs as root"
    confined = container.get("securityContext", {})
    if not confined.get("readOnlyRootFilesystem") or confined.get("capabilities") != {
        "drop": ["ALL"]
    }:
        yield f"{where}: is not confined"


def _process_problems(template: dict[str, Any], config: Config) -> Iterator[str]:
    """Of the container: its command, its probes, what stops it, its memory."""
    pod, role = template["spec"], template["metadata"]["labels"][COMPONENT]
    (container,) = pod["containers"]
    if container["image"] != "edgecache" or "command" in container:
        yield f"{role}: runs another command than the image's"
    given = {one["name"]: one.get("value", "x") for one in container["env"]}
    args = [_expanded(one, given) for one in container["args"]]
    if args[0] != role or not is_taken(args):
        yield f"{role}: edgecache {' '.join(args)} is no command of ours"
    part: Any = _part(config, role, given)
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = container[kind]["httpGet"]
        if ports.get(probe["port"], probe["port"]) != tcp_address(part.health_listen).port:
            yield f"{role}: {kind} asks port {probe['port']}, and not health_listen"
        if probe["path"].partition("?")[0] != ("/ready" if kind[0] == "r" else "/live"):
            yield f"{role}: {kind} asks {probe['path']}"
    if tcp_address(part.listen).port not in ports.values():
        yield f"{role}: has no port for listen = {part.listen}"
    stop = container["lifecycle"]["preStop"]["exec"]["command"]
    drain_s = int(" ".join(stop).split()[-1])
    if pod["terminationGracePeriodSeconds"] < drain_s + config.limits.drain_s_max + SPARE_S:
        yield f"{role}: is killed before it has drained"
    limit = container["resources"]["limits"]["memory"]
    workers = getattr(part, "workers", 1)
    wanted = workers * (getattr(part, "memory_bytes", 0) + PROCESS_BYTES) + PROCESS_BYTES
    if int(limit[:-2]) * SUFFIXES[limit[-2:]] < wanted:
        yield f"{role}: {limit} is less than its caches take"


def _expanded(text: str, env: dict[str, str]) -> str:
    for name, value in env.items():
        text = text.replace(f"$({name})", value)
    return text


def _part(config: Config, role: str, env: dict[str, str]) -> Any:
    """The table of the file that the process of a role runs by."""
    if role == "edge":
        return next(one for one in config.locations if one.name == env["LOCATION"])
    return config.control if role == "control" else config.regional_tier[0]


def _service_problems(one: dict[str, Any], objects: Objects) -> Iterator[str]:
    where = f"Service {one['metadata']['name']}"
    chosen = [
        template
        for _, template in pods(objects)
        if matches(one["spec"]["selector"], template["metadata"]["labels"])
    ]
    if not chosen:
        yield f"{where}: selects no pod"
    for template in chosen:
        names = {p["name"] for c in template["spec"]["containers"] for p in c["ports"]}
        for port in one["spec"]["ports"]:
            if port["targetPort"] not in names:
                yield f"{where}: no port {port['targetPort']}"


def _name_problems(config: Config, known: dict[tuple[str, str], Any]) -> Iterator[str]:
    """Names by which the configuration has others asked, that no Service has; pods it has not."""
    assert config.control is not None
    named = [config.control.advertise, *config.control.addresses]
    caches = [one.advertise for one in config.regional_tier]
    for advertise in (*named, *caches):
        address = tcp_address(advertise)
        host, _, domain = address.host.partition(".")
        service = known.get(("Service", domain or host))
        if service is None:
            yield f"{advertise}: there is no Service {domain or host}"
            continue
        if address.port not in [port["port"] for port in service["spec"]["ports"]]:
            yield f"{advertise}: the Service has no such port"
        name, _, ordinal = host.rpartition("-")
        if domain and int(ordinal) >= known["StatefulSet", name]["spec"]["replicas"]:
            yield f"{advertise}: there is no such pod"
    for (kind, name), one in known.items():
        if (
            kind == "StatefulSet"
            and one["spec"]["template"]["metadata"]["labels"][COMPONENT] == "regional"
        ):
            for index in range(one["spec"]["replicas"]):
                pod = f"{name}-{index}.{one['spec']['serviceName']}:"
                if not any(advertise.startswith(pod) for advertise in caches):
                    yield f"{pod[:-1]}: the configuration has no such cache"
