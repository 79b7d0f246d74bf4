"""The JSON side described: OpenAPI 3.1 for programs, one plain page for people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import msgspec

from edgecache import __version__

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PathOperation:
    """One thing that can be asked. `gives` and `takes` name schemas; empty: any JSON, or nothing.

    `query` maps a parameter to what it means; a required one has `*` before its meaning.
    """

    method: str
    path: str
    summary: str
    gives: str = ""
    takes: str = ""
    status: int = 200
    query: tuple[tuple[str, str], ...] = ()
    type: str = "application/json"
    faults: tuple[int, ...] = ()


_MARKER = (("marker", "the `next` of the page before"), ("max_items", "1 to 100"))
PATHS = (
    PathOperation("GET", "/health", "Whether control answers."),
    PathOperation("GET", "/nodes", "Every process, and the configuration it runs on."),
    PathOperation(
        "GET", "/metrics", "Counters of all processes, for Prometheus.", type="text/plain"
    ),
    PathOperation(
        "GET",
        "/distributions",
        "All distributions.",
        "DistributionSummaries",
        query=_MARKER,
        faults=(400,),
    ),
    PathOperation(
        "GET", "/distributions/{id}", "One distribution.", "DistributionSummary", faults=(404,)
    ),
    PathOperation(
        "POST",
        "/distributions/{id}/adoption",
        "Let the API take over a distribution of the file.",
        "DistributionSummary",
        faults=(409,),
    ),
    PathOperation(
        "DELETE",
        "/distributions/{id}/adoption",
        "Let the file say again what it is.",
        "DistributionSummary",
        faults=(404, 409),
    ),
    PathOperation(
        "POST",
        "/invalidations",
        "Invalidate paths of a distribution.",
        "InvalidationReport",
        "InvalidationBody",
        201,
        faults=(400, 404, 413),
    ),
    PathOperation(
        "POST",
        "/invalidations/dry-run",
        "What every node would remove.",
        "",
        "InvalidationBody",
        faults=(400, 404, 413),
    ),
    PathOperation(
        "GET",
        "/invalidations/{distribution}",
        "Invalidations, the newest first.",
        "InvalidationReports",
        query=_MARKER[:1],
        faults=(404,),
    ),
    PathOperation(
        "GET",
        "/invalidations/{distribution}/{id}",
        "How far an invalidation is.",
        "InvalidationReport",
        query=(("wait_s", "wait so long for Completed, at most 30"),),
        faults=(400, 404),
    ),
    PathOperation(
        "GET",
        "/distributions/{id}/releases",
        "The releases of a distribution.",
        "ReleaseReports",
        faults=(404,),
    ),
    PathOperation(
        "POST",
        "/distributions/{id}/releases",
        "Cut the next release: all misses at once.",
        "ReleaseReports",
        "ReleaseBody",
        201,
        faults=(400, 404, 409),
    ),
    PathOperation(
        "POST",
        "/distributions/{id}/releases/active",
        "Make a kept release the current one.",
        "ReleaseReports",
        "ReleaseBody",
        faults=(400, 404),
    ),
    PathOperation(
        "DELETE",
        "/distributions/{id}/releases/{number}",
        "Let a release's objects go.",
        "ReleaseReports",
        query=(("path", "of which path pattern; `*` unless said otherwise"),),
        faults=(400, 404, 409),
    ),
    PathOperation(
        "GET",
        "/explain",
        "What would happen to a viewer's request, and why.",
        query=(
            ("url", "*as a viewer would ask for it"),
            ("method", "GET unless said otherwise"),
            ("header", "`Name: value`, several times"),
        ),
        faults=(400, 503),
    ),
    PathOperation("POST", "/reload", "Read the configuration file anew.", faults=(400,)),
)


def description(schemas: Sequence[type[msgspec.Struct]]) -> Document:
    """The OpenAPI document."""
    _, components = msgspec.json.schema_components(
        schemas, ref_template="#/components/schemas/{name}"
    )
    problem = {
        "type": "object",
        "properties": {"error": {"type": "string"}, "code": {"type": "string"}},
    }
    paths: dict[str, Document] = {}
    for one in PATHS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "edgecache control",
            "version": __version__,
            "description": "The small side of the API. CloudFront's own is below /2020-05-31/.",
        },
        "security": [{}, {"operator": []}],
        "paths": paths,
        "components": {
            "schemas": components | {"Problem": problem},
            "securitySchemes": {
                "operator": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`edgecache token` prints one; not needed on control's machine.",
                }
            },
        },
    }


def _operation(one: PathOperation) -> Document:
    parameters: list[Document] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", one.path)
    ]
    for name, meaning in one.query:
        several = name == "header"
        schema: Document = (
            {"type": "array", "items": {"type": "string"}} if several else {"type": "string"}
        )
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": meaning.startswith("*"),
                "description": meaning.removeprefix("*"),
                "schema": schema,
            }
        )
    faults = {str(status): _answer("Refused.", "Problem") for status in (*one.faults, 401, 403)}
    found: Document = {
        "summary": one.summary,
        "parameters": parameters,
        "responses": {str(one.status): _answer("Done.", one.gives, one.type)} | faults,
    }
    if one.takes:
        found["requestBody"] = {"required": True, "content": _content(one.takes)}
    return found


def _answer(words: str, schema: str, type: str = "application/json") -> Document:
    return {"description": words, "content": _content(schema, type)}


def _content(schema: str, type: str = "application/json") -> Document:
    named = {"schema": {"$ref": f"#/components/schemas/{schema}"}} if schema else {}
    return {type: named}


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}"
    "code,pre{font:14px/1.5 ui-monospace,monospace}pre{background:#eee;padding:1rem;overflow:auto}"
    "h2{font-size:1.1rem;margin-top:2rem}@media(prefers-color-scheme:dark)"
    "{body{background:#111;color:#ddd}pre{background:#222}a{color:#8bf}}"
)


def docs_page(document: Document) -> str:
    """The description as one HTML page that loads nothing."""
    parts = [
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>edgecache control</title>'
        f"<style>{_STYLE}</style><h1>edgecache control {escape(document['info']['version'])}</h1>"
        f"<p>{escape(document['info']['description'])} For programs: "
        f'<a href="/openapi.json">openapi.json</a>.</p>'
    ]
    for one in PATHS:
        parts.append(f"<h2><code>{one.method} {escape(one.path)}</code></h2>")
        parts.append(f"<p>{escape(one.summary)}</p>")
        rows = "".join(
            f"<li><code>{escape(name)}</code>: {escape(meaning.removeprefix('*'))}"
            f"{' (required)' if meaning.startswith('*') else ''}</li>"
            for name, meaning in one.query
        )
        parts.append(f"<ul>{rows}</ul>" if rows else "")
        for label, name in (("Takes", one.takes), ("Gives", one.gives)):
            if name:
                fields = document["components"]["schemas"][name]["properties"]
                listed = ", ".join(f"<code>{escape(field)}</code>" for field in fields)
                parts.append(f"<p>{label} {listed}.</p>")
    return "".join(parts) + "</html>\n"
