"""OpenAPI 3.1 description of the REST API, for programs; the same as a plain page, for people."""

from __future__ import annotations

import re
from html import escape
from typing import Any

import msgspec

from edgecache import __version__
from edgecache.control.rest.routes import DESCRIBED, RestRoute, Schema

Document = dict[str, Any]


def openapi_document() -> Document:
    """The OpenAPI document of the routes that are described."""
    schemas = [each for route in DESCRIBED for each in (route.gives, route.takes) if each]
    _, components = msgspec.json.schema_components(
        schemas, ref_template="#/components/schemas/{name}"
    )
    problem = {
        "type": "object",
        "properties": {"error": {"type": "string"}, "code": {"type": "string"}},
    }
    paths: dict[str, Document] = {}
    for route in DESCRIBED:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
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


def _operation(route: RestRoute) -> Document:
    faults = {str(status): _answer("Refused.", "Problem") for status in (*route.faults, 401, 403)}
    operation: Document = {
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": {
            str(route.status): _answer("Done.", _name(route.gives), route.type),
        }
        | faults,
    }
    if route.takes:
        operation["requestBody"] = {"required": True, "content": _content(_name(route.takes))}
    return operation


def _parameters(route: RestRoute) -> list[Document]:
    parameters: list[Document] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    for name, meaning in route.query:
        text: Document = {"type": "string"}
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": meaning.startswith("*"),
                "description": meaning.removeprefix("*"),
                "schema": {"type": "array", "items": text} if name == "header" else text,
            }
        )
    return parameters


def _name(schema: Schema | None) -> str:
    return schema.__name__ if schema else ""


def _answer(words: str, schema: str, type: str = "application/json") -> Document:
    return {"description": words, "content": _content(schema, type)}


def _content(schema: str, type: str = "application/json") -> Document:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}} if schema else {}
    return {type: content}


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
    schemas = document["components"]["schemas"]
    return "".join([*parts, *(_docs_section(route, schemas) for route in DESCRIBED), "</html>\n"])


def _docs_section(route: RestRoute, schemas: Document) -> str:
    """One route as HTML."""
    parts = [
        f"<h2><code>{route.method} {escape(route.path)}</code></h2>",
        f"<p>{escape(route.summary)}</p>",
    ]
    rows = "".join(
        f"<li><code>{escape(name)}</code>: {escape(meaning.removeprefix('*'))}"
        f"{' (required)' if meaning.startswith('*') else ''}</li>"
        for name, meaning in route.query
    )
    parts.append(f"<ul>{rows}</ul>" if rows else "")
    for label, schema in (("Takes", route.takes), ("Gives", route.gives)):
        if schema:
            fields = schemas[_name(schema)]["properties"]
            listed = ", ".join(f"<code>{escape(field)}</code>" for field in fields)
            parts.append(f"<p>{label} {listed}.</p>")
    return "".join(parts)
