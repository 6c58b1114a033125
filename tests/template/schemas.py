"""The schemas that the real controllers install, as validators of what the fleet repository renders."""

from __future__ import annotations

import copy
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
    ("external-secrets.io/v1", "ExternalSecret"): "external-secrets/external-secrets.io_externalsecrets.yaml",
    ("external-secrets.io/v1", "SecretStore"): "external-secrets/external-secrets.io_secretstores.yaml",
}


def closed(schema: Any) -> Any:
    """The schema with unknown keys refused, as the API server's strict field validation does.

    A key that a schema does not know is dropped in silence when it is applied, so a misspelt one would be found by nobody.
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
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.load((VENDOR / DEFINITIONS[api_version, kind]).read_text(encoding="utf-8"), Loader=loader)
    version = api_version.partition("/")[2]
    schema = next(one["schema"]["openAPIV3Schema"] for one in document["spec"]["versions"] if one["name"] == version)
    schema = closed(copy.deepcopy(schema))
    schema["properties"]["metadata"] = {"type": "object", "required": ["name"]}
    return jsonschema.Draft7Validator(schema)


def problems(found: dict[str, Any]) -> list[str]:
    """What the API server would refuse in an object of a kind that Argo CD or the operator defines; [] for others."""
    key = (found["apiVersion"], found["kind"])
    if key not in DEFINITIONS:
        assert not found["apiVersion"].startswith(("argoproj.io", "external-secrets.io")), key
        return []
    name = found["metadata"].get("name", "?")
    return [f"{found['kind']} {name}: {one.json_path}: {one.message}" for one in validator(*key).iter_errors(found)]
