"""The ApplicationSets of the demo hub: one for each component, as the fleet's chart writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onboarding.domain.components import Component
from onboarding.domain.labels import SKIP_RECONCILE
from onboarding.domain.releases import RELEASE_LABELS

_PAUSED = '{{ index .metadata.annotations "' + SKIP_RECONCILE + '" | default "false" }}'


def component_set(component: Component, without: Sequence[str]) -> dict[str, Any]:
    """The ApplicationSet of a component, which the release channels `without` it do not get.

    Its one generator takes the clusters of all other channels; a patch that the demo hub has no
    need of says what a channel makes of it.
    """
    label = RELEASE_LABELS[component.group]
    expressions: list[dict[str, Any]] = [{"key": label, "operator": "Exists"}]
    if without:
        expressions.append({"key": label, "operator": "NotIn", "values": list(without)})
    if component.group in {"addons", "resources"}:
        remote = f"enable_remote_{component.group}"
        expressions.append({"key": remote, "operator": "NotIn", "values": ["true"]})
    selector = {"matchLabels": {component.flag: "true"}, "matchExpressions": expressions}
    values = {"release": "{{ .metadata.labels." + label + " }}"}
    generator = {"clusters": {"selector": selector, "values": values}}
    return application_set(component.name, component.group, component.name, [generator])


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
                "metadata": {
                    "name": component + "-{{ .name }}",
                    "annotations": {SKIP_RECONCILE: _PAUSED},
                },
                "spec": {"destination": {"name": "{{ .name }}"}},
            },
        },
    }
