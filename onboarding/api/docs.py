"""The description of the API as a page, drawn here: nothing is fetched from elsewhere to show it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_HIDDEN_ERRORS = 400
_DEEPEST = 3


@dataclass(frozen=True, slots=True)
class Item:
    """A parameter, a field of a body or an answer: its name, what it is, and what it means."""

    name: str
    kind: str
    says: str = ""
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Error:
    """A status that is no success, and when it comes."""

    status: str
    says: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One verb: where, with what, and what comes back."""

    key: str
    title: str
    method: str
    path: str
    says: str
    parameters: tuple[Item, ...]
    body: tuple[Item, ...]
    status: str
    answer: tuple[Item, ...]
    errors: tuple[Error, ...]


@dataclass(frozen=True, slots=True)
class DocsPage:
    """The whole API."""

    title: str
    lede: str
    example: str
    schema_url: str
    operations: tuple[Operation, ...]


def docs_page(description: Mapping[str, Any], *, url: str) -> DocsPage:
    """The page of an OpenAPI description; `url` is where this installation is reached."""
    schemas = description["components"]["schemas"]
    return DocsPage(
        title="API",
        lede="Programs ask for changes, read their plans and follow them. People decide.",
        example=f'curl --fail-with-body -H "Authorization: Bearer $FLEETUI_TOKEN" {url}api/v1/clusters',
        schema_url=f"{url}api/v1/openapi.json",
        operations=tuple(
            _operation(path, method, operation, schemas)
            for path, methods in description["paths"].items()
            for method, operation in methods.items()
        ),
    )


def _operation(
    path: str, method: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]
) -> Operation:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    done = {int(status): answer for status, answer in operation["responses"].items()}
    status = min(done)
    answer = done[status].get("content", {}).get("application/json", {})
    return Operation(
        key=operation["operationId"],
        title=operation["summary"],
        method=method.upper(),
        path=path,
        says=operation.get("description", ""),
        parameters=tuple(
            Item(
                name=one["name"],
                kind=_kind(one["schema"], schemas),
                says=one.get("description", "") or f"in the {one['in']}",
                is_required=one.get("required", False),
            )
            for one in operation.get("parameters", ())
        ),
        body=_items(body.get("schema", {}), schemas),
        status=str(status),
        answer=_items(answer.get("schema", {}), schemas),
        errors=tuple(
            Error(str(code), one["description"])
            for code, one in sorted(done.items())
            if code >= _HIDDEN_ERRORS
        ),
    )


def _items(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], prefix: str = "", depth: int = 1
) -> tuple[Item, ...]:
    """The fields of an object; those of a part of it follow it, with its name before theirs."""
    found: list[Item] = []
    resolved = _resolved(schema, schemas)
    required = resolved.get("required", ())
    for name, field in resolved.get("properties", {}).items():
        full = f"{prefix}{name}"
        found.append(
            Item(full, _kind(field, schemas), field.get("description", ""), name in required)
        )
        if depth < _DEEPEST:
            inner, mark = _inner(field)
            found += _items(inner, schemas, f"{full}{mark}.", depth + 1)
    return tuple(found)


def _inner(field: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """The part that a field holds, one or many of it, and how that is written in a name."""
    if field.get("type") == "array":
        return field.get("items", {}), "[]"
    for one in field.get("anyOf", ()):
        if "$ref" in one:
            return one, ""
    return field if "$ref" in field else {}, ""


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    ref = schema.get("$ref", "")
    found: Mapping[str, Any] = schemas[ref.rpartition("/")[2]] if ref else schema
    return found


def _kind(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """What a value is, in words: its type, its choices, its bounds."""
    if "anyOf" in schema:
        return " or ".join(_kind(one, schemas) for one in schema["anyOf"])
    resolved = _resolved(schema, schemas)
    if "enum" in resolved:
        return ", ".join(map(str, resolved["enum"]))
    if resolved.get("type") == "array":
        return f"list of {_kind(resolved.get('items', {}), schemas)}"
    words = [str(resolved.get("type", "any"))]
    bounds = {"minimum": "from", "maximum": "to", "maxLength": "at most", "pattern": "matching"}
    words += [f"{word} {resolved[key]}" for key, word in bounds.items() if key in resolved]
    if "default" in schema and schema["default"] not in ("", None):
        words.append(f"(usually {json.dumps(schema['default'])})")
    return " ".join(words)
