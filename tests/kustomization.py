"""Kustomizations rendered as `kubectl kustomize` does it, as far as ours go; and what is wrong.

Law: a field that is not known here is an error, not passed over.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Objects = list[dict[str, Any]]
KNOWN = {
    "apiVersion", "kind", "resources", "namespace", "patches", "configMapGenerator",
    "generatorOptions",
}  # fmt: skip
CLUSTER_WIDE = {"Namespace"}


def render(folder: Path) -> Objects:
    """The objects of the kustomization in `folder`."""
    made = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert made.keys() <= KNOWN, f"{folder}: {made.keys() - KNOWN} is not known here"
    objects = [one for name in made["resources"] for one in _resource(folder / name)]
    for patch in made.get("patches", ()):
        _patch(objects, patch)
    options = made.get("generatorOptions", {})
    for one in made.get("configMapGenerator", ()):
        assert options == {"disableNameSuffixHash": True}, "names with a hash are not known here"
        assert one.keys() == {"name", "files"}
        data = {Path(name).name: (folder / name).read_text() for name in one["files"]}
        metadata = {"name": one["name"]}
        objects.append(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        )
    if namespace := made.get("namespace"):
        for each in objects:
            if each["kind"] not in CLUSTER_WIDE:
                each["metadata"]["namespace"] = namespace
    return objects


def _resource(path: Path) -> Objects:
    if path.is_dir():
        return render(path)
    return [one for one in yaml.safe_load_all(path.read_text()) if one is not None]


def _patch(objects: Objects, patch: dict[str, Any]) -> None:
    """A patch of RFC 6902 on what its target names, which must be one object."""
    assert patch.keys() <= {"target", "patch", "options"}
    kind, name = patch["target"]["kind"], patch["target"]["name"]
    (one,) = (x for x in objects if (x["kind"], x["metadata"]["name"]) == (kind, name))
    for step in yaml.safe_load(patch["patch"]):
        *parents, last = [
            part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]
        ]
        place: Any = one
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place[part]
        value = copy.deepcopy(step["value"])
        if isinstance(place, list) and last == "-":
            assert step["op"] == "add"
            place.append(value)
            continue
        key: Any = int(last) if isinstance(place, list) else last
        assert step["op"] == "add" or (step["op"] == "replace" and place[key] is not None)
        place[key] = value


def pods(objects: Objects) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each workload with its pods' template."""
    for one in objects:
        template = one.get("spec", {}).get("template")
        if template is not None:
            yield one, template


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a LabelSelector, or a Service's plain one, selects what has these labels."""
    if not {"matchLabels", "matchExpressions"} & selector.keys():
        return selector.items() <= labels.items()
    expressions = selector.get("matchExpressions", ())
    assert all(one["operator"] == "In" for one in expressions)
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(one["key"]) in one["values"] for one in expressions
    )
