"""A hub's objects with all that they say: what a contract between hubs compares."""

from __future__ import annotations

from onboarding.adapters.kubernetes_hub import KubernetesHub
from onboarding.ports import HubKind, HubPage


class WholeHub(KubernetesHub):
    """The product's reader, but that it leaves out nothing of a listed object."""

    def list_page(self, kind: HubKind, *, limit: int, continue_token: str = "") -> HubPage:
        """One page of whole objects."""
        query = [("limit", str(limit)), ("continue", continue_token)]
        answer = self._api.json("GET", self._path(kind), query=query, doing="list")
        metadata = answer["metadata"]
        return HubPage(
            tuple(answer["items"]), metadata.get("continue", ""), metadata["resourceVersion"]
        )
