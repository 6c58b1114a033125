"""A cluster that leaves, with a hub that shows what a test says: its rows, written as a watcher would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpResponse
from django.utils import timezone

from onboarding import tasks
from onboarding.models import (
    ApplicationStatus,
    Change,
    ClusterStatus,
    Fleet,
    Hub,
    HubObject,
    HubWatch,
    Offboarding,
)
from onboarding.ports import HubKind
from tests import repositories
from tests.journey import reading
from tests.journey.conftest import HUB, Place
from tests.journey.test_registration import MEMBER, MEMBER_PATH

PAGE = f"/clusters/{HUB}/spoke-a/offboard/"
OWN_VALUES = "addons/tenants/tenant1/clusters/spoke-a/cluster-info/values.yaml"
ADD_ONS = ("cluster-info-spoke-a", "namespace-baseline-spoke-a")
MONITORING = "monitoring-settings-spoke-a"


@dataclass
class Leaving:
    """One cluster with three Applications, and its hub as a test wants it to be seen."""

    place: Place
    applications: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels: dict[str, str] | None = field(default_factory=dict)
    external_secret: bool = True
    registration: bool = True
    connection: str = "Successful"

    def __post_init__(self) -> None:
        for name in (*ADD_ONS, MONITORING):
            group = "monitoring" if name == MONITORING else "addons"
            self.applications[name] = {"group": group, "cascades": True}

    def begin(self, text: str = MEMBER) -> None:
        """The cluster is in Git and on the hub."""
        files = {MEMBER_PATH: text, OWN_VALUES: "info: {own: 'yes'}\n"}
        repositories.commit(self.place.bare, files)
        self.refresh()
        self.seen()

    def refresh(self) -> None:
        tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)

    def ask(self, workloads: str = "remove", **more: str) -> HttpResponse:
        """The requester asks for it, having typed the name."""
        typed = {"workloads": workloads, "confirm": "spoke-a", **more}
        return self.place.post("requester", PAGE, typed)

    def approve(self) -> Change:
        """The other person approves exactly what is shown."""
        change = Offboarding.objects.latest("pk").change
        page = self.place.get("approver", f"/changes/{change.pk}/")
        typed = {"reason": "It is not needed any more.", "confirm": "spoke-a"}
        decided = reading.decision(page) | typed
        answer = self.place.post("approver", f"/changes/{change.pk}/approve/", decided)
        assert answer.status_code == 302, answer.content.decode()[-2000:]
        change.refresh_from_db()
        return change

    def deliver(self) -> None:
        """A worker writes what is approved, and the fleet is read again."""
        tasks.deliver(fleet_id=Fleet.objects.get().pk)
        self.refresh()

    def lead(self) -> Offboarding:
        """The clock's turn: look at the evidence, and go on where it is there."""
        tasks.lead_offboardings()
        return Offboarding.objects.latest("pk")

    def seen(self, *, at: datetime | None = None) -> None:
        """Write down what the hub shows now, seen a moment after everything before."""
        hub = Hub.objects.get(name=HUB)
        at = at or timezone.now() + timedelta(milliseconds=1)
        ApplicationStatus.objects.filter(hub=hub).delete()
        HubObject.objects.filter(hub=hub).delete()
        ClusterStatus.objects.filter(hub=hub).delete()
        for name, facts in self.applications.items():
            self._application(hub, name, "spoke-a", facts, at)
        if self.registration:
            self._application(hub, "fleet-secret-spoke-a", HUB, {"group": "fleet"}, at)
        if self.external_secret:
            HubObject.objects.create(
                hub=hub, kind=HubKind.EXTERNAL_SECRETS.value, uid="es", name="cluster-spoke-a",
                seen_at=at,
            )  # fmt: skip
        if self.labels is not None:
            ClusterStatus.objects.create(
                hub=hub, name="spoke-a", server="https://a", labels=self.labels,
                connection=self.connection, first_seen_at=at, seen_at=at,
            )  # fmt: skip
        kinds = {kind.value: {"seen_at": at.isoformat()} for kind in HubKind}
        HubWatch.objects.update_or_create(
            hub=hub, defaults={"kinds": kinds, "seen_at": at, "clusters_seen_at": at}
        )

    def _application(
        self, hub: Hub, name: str, cluster: str, facts: Mapping[str, Any], at: datetime
    ) -> None:
        ApplicationStatus.objects.create(
            hub=hub, uid=name, name=name, cluster_name=cluster, facts=dict(facts),
            application_set=name.removesuffix("-spoke-a"), first_seen_at=at, seen_at=at,
        )  # fmt: skip

    # --- What the hub does after each commit ---

    def mark(self) -> None:
        """The cluster secret says that the cluster is leaving; its Applications are still there."""
        self.labels = {"fleet_offboarding": "true"}

    def empty(self) -> None:
        """All Applications have gone."""
        self.mark()
        self.applications = {}
        self.seen()

    def forget(self) -> None:
        """Registration, ExternalSecret and cluster secret have gone."""
        self.applications, self.labels = {}, None
        self.external_secret = self.registration = False
        self.seen()

    # --- What a person sees ---

    def page(self, who: str = "requester") -> HttpResponse:
        answer = self.place.get(who, PAGE)
        assert answer.status_code == 200, answer.content.decode()[-2000:]
        return answer

    def steps(self) -> dict[str, str]:
        """The steps on the page, and how each stands."""
        return reading.timeline(self.page())

    def has_file(self, path: str = MEMBER_PATH) -> bool:
        return path in repositories.tree(self.place.bare)

    def subjects(self) -> list[str]:
        """The subjects of the commits of the offboarding, oldest first."""
        log = repositories.log(self.place.bare)
        return [one.splitlines()[3] for one in reversed(log) if one.startswith("Offboard")]
