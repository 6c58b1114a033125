"""The schemas that the real controllers install, as validators of what is rendered."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

VENDOR = Path(__file__).resolve().parents[1] / "vendor"
DEFINITIONS = {
    ("argoproj.io/v1alpha1", "Application"): "argo-cd/application-crd.yaml",
    ("argoproj.io/v1alpha1", "ApplicationSet"): "argo-cd/applicationset-crd.yaml",
    ("argoproj.io/v1alpha1", "AppProject"): "argo-cd/appproject-crd.yaml",
    (
        "external-secrets.io/v1",
        "ExternalSecret",
    ): "external-secrets/external-secrets.io_externalsecrets.yaml",
    (
        "external-secrets.io/v1",
        "SecretStore",
    ): "external-secrets/external-secrets.io_secretstores.yaml",
}


def closed(schema: Any) -> Any:
    """The schema with unknown keys refused, as the API server's strict field validation does.

    A key that a schema does not know is dropped in silence when it is applied, so nobody would
    find a misspelt one.
    """
    if isinstance(schema, dict):
        for value in schema.values():
            closed(value)
        if (
            schema.get("type") == "object"
            and isinstance(schema.get("properties"), dict)
            and not schema.get("x-kubernetes-preserve-unknown-fields")
        ):
            schema.setdefault("additionalProperties", False)
    elif isinstance(schema, list):
        for value in schema:
            closed(value)
    return schema


@cache
def validator(api_version: str, kind: str) -> jsonschema.Draft7Validator:
    """The validator of one kind at one version; KeyError for a kind that is not vendored."""
    text = (VENDOR / DEFINITIONS[api_version, kind]).read_text(encoding="utf-8")
    # A megabyte of YAML: the fast safe loader, which every wheel of PyYAML has.
    document = yaml.load(text, Loader=yaml.CSafeLoader)
    version = api_version.partition("/")[2]
    schema = next(
        one["schema"]["openAPIV3Schema"]
        for one in document["spec"]["versions"]
        if one["name"] == version
    )
    schema = closed(copy.deepcopy(schema))
    schema["properties"]["metadata"] = {"type": "object", "required": ["name"]}
    return jsonschema.Draft7Validator(schema)


def defaults_left_out(schema: Any, value: Any, where: str = "spec") -> Iterator[str]:
    """The keys that the API server would fill in: a difference for Argo CD that nobody made."""
    if isinstance(value, list):
        for one in value:
            yield from defaults_left_out(schema.get("items") or {}, one, where)
    elif isinstance(value, dict):
        for key, inner in (schema.get("properties") or {}).items():
            if key in value:
                yield from defaults_left_out(inner, value[key], f"{where}.{key}")
            elif "default" in inner:
                yield f"{where}.{key}"


def problems(found: dict[str, Any]) -> list[str]:
    """What the API server would refuse or fill in, in an object of a kind that is vendored."""
    key = (found["apiVersion"], found["kind"])
    if key not in DEFINITIONS:
        assert not found["apiVersion"].startswith(("argoproj.io", "external-secrets.io")), key
        return []
    name = found["metadata"].get("name", "?")
    schema = validator(*key).schema["properties"]["spec"]
    if left_out := list(defaults_left_out(schema, found["spec"])):
        return [f"{found['kind']} {name}: leaves {one} to its default" for one in left_out]
    return [
        f"{found['kind']} {name}: {one.json_path}: {one.message}"
        for one in validator(*key).iter_errors(found)
    ]
