"""The ApplicationSets of the demo hub: one for each component, with a generator for each channel."""

from __future__ import annotations

from typing import Any

from onboarding.domain.components import Component
from onboarding.domain.releases import RELEASE_LABELS


def generator(component: Component, kind: str) -> dict[str, Any]:
    """The generator of one release channel: which clusters get a component from it, and from where."""
    selector: dict[str, Any] = {
        "matchLabels": {RELEASE_LABELS[component.group]: kind, component.flag: "true"}
    }
    if component.group in {"addons", "resources"}:
        selector["matchExpressions"] = [
            {"key": f"enable_remote_{component.group}", "operator": "NotIn", "values": ["true"]}
        ]
    source: dict[str, Any] = {"repoURL": component.repo_url, "targetRevision": component.version}
    source["chart" if component.repo_url else "path"] = component.chart
    template = {"metadata": {}, "spec": {"project": "", "sources": [source]}}
    return {"clusters": {"selector": selector, "values": {"release": kind}, "template": template}}


def application_set(
    name: str, group: str, component: str, generators: list[dict[str, Any]]
) -> dict[str, Any]:
    """An ApplicationSet with these generators, as the fleet's chart writes it."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": name, "labels": {"fleet/group": group, "fleet/component": component}},
        "spec": {
            "goTemplate": True,
            "goTemplateOptions": ["missingkey=error"],
            "syncPolicy": {"preserveResourcesOnDeletion": True},
            "generators": generators,
            "template": {
                "metadata": {"name": component + "-{{ .name }}"},
                "spec": {"destination": {"name": "{{ .name }}"}},
            },
        },
    }
