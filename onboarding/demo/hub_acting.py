"""Acts a hub: what Argo CD and the External Secrets Operator would do with the repository, in time.

Everything follows from the repository's commits, the secrets that exist and the clock, so that two
runs over the same history show the same. Nothing is deployed anywhere.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from onboarding.demo import hub_objects as objects
from onboarding.demo import hub_secrets
from onboarding.demo.hub_objects import Act, Stage
from onboarding.demo.hub_sources import DatedSnapshot, Secrets
from onboarding.demo.hub_store import ObjectStore
from onboarding.demo.hub_timing import Sync, Timing, age, number
from onboarding.demo.hub_world import NOTHING, WantedApplication, WantedMember, WorldReader
from onboarding.domain.live_sets import REFRESH_ANNOTATION

POLL_SECONDS = 20.0
HUB_SERVER = "https://kubernetes.default.svc"
_FIRST_LOOK, _NEXT_LOOK, _SECRET_REFRESH = 0.5, 3.0, 60.0
_BEFORE_ROTATION = 2400.0
# How long after the hub's beginning what appears counts as having been there.
_FILLED_SECONDS = 60.0


@dataclass(slots=True)
class _Registration:
    """One member under way from its ExternalSecret to a registered cluster.

    `old` members were there before the hub began, `matched` ones have had their Applications made;
    `left` is when it was first seen to be leaving.
    """

    member: WantedMember
    created: float
    old: bool
    ready: bool | None = None
    since: float = 0.0
    looked: float = 0.0
    server: str = ""
    registered: float = 0.0
    matched: bool = False
    left: float = 0.0


class DemoHub:
    """One hub of the demo. `step` is called again and again; the server only reads."""

    def __init__(
        self,
        *,
        name: str,
        namespace: str,
        region: str,
        reader: WorldReader,
        repository: Callable[[], DatedSnapshot | None],
        secrets: Secrets,
        faults: Mapping[str, str],
        speed: float,
        now: Callable[[], float],
    ) -> None:
        """`faults` maps a cluster's or Application's name to how it shall end (`BEHAVIOURS`).

        With a release channel behind the cluster's name ("spoke@release1"), it ends so on that one alone.
        """
        self.name = name
        self.namespace = namespace
        self.uid = objects.uid(name, "Namespace", namespace)
        self._now = now
        self._begun = now()
        self.store = ObjectStore(first_version=int(self._begun * 1000))
        self._region = region
        self._reader = reader
        self._repository = repository
        self._secrets = secrets
        self._faults = faults
        self._speed = speed
        self._timing = Timing(speed, self._begun)
        self._world = NOTHING
        self._read_at = 0.0
        self._silent_until = 0.0
        self._syncs: dict[str, Sync] = {}
        self._registrations: dict[str, _Registration] = {}
        self._looking = threading.Event()
        self._lock = threading.RLock()

    def look(self) -> None:
        """Read Git at the next step instead of at the next poll."""
        self._looking.set()

    def wait(self, seconds: float) -> None:
        """Wait for the next step; a look ends the wait."""
        self._looking.wait(seconds)

    def annotate(
        self, name: str, annotations: Mapping[str, str | None]
    ) -> Mapping[str, Any] | None:
        """Merge annotations into an ApplicationSet; None where there is no such one."""
        with self._lock:
            found = self.store.get("applicationsets", name)
            if found is None:
                return None
            merged = {**found["metadata"].get("annotations", {}), **annotations}
            kept = {key: value for key, value in merged.items() if value is not None}
            self.store.put(
                "applicationsets", {**found, "metadata": {**found["metadata"], "annotations": kept}}
            )
            return self.store.get("applicationsets", name)

    def clusters(self) -> list[Mapping[str, Any]]:
        """The hub itself and every registered spoke, as Argo CD's API gives them."""
        with self._lock:
            now = self._now()
            counts = Counter(sync.wanted.destination for sync in self._syncs.values())
            return [self._own_cluster(now, counts[self.name])] + [
                objects.cluster(
                    registration.member,
                    server=registration.server,
                    attempted=now - now % 10,
                    applications=counts[cluster],
                    fault=self._faults.get(cluster, ""),
                )
                for cluster, registration in sorted(self._registrations.items())
                if registration.registered
            ]

    def step(self) -> None:
        """Do what is due now: read Git, look at secrets, move every Application on."""
        with self._lock:
            now = self._now()
            # A demo is filled a moment after its hub began; nobody should wait for that.
            poll = POLL_SECONDS if self._registrations else 1.0
            reading = self._looking.is_set() or now - self._read_at >= poll
            if reading:
                self._looking.clear()
                self._read_at = now
                self._read_git(now)
            if self._world is NOTHING:
                return
            self._advance_registrations(now)
            self._advance_applications(now)
            if reading:
                self._put_sets()

    def _read_git(self, now: float) -> None:
        snapshot = self._repository()
        if snapshot is not None and snapshot.commit != self._world.commit:
            self._world = self._reader.read(snapshot)
            self._take_members(now, snapshot.committed_at)
        ready = self._secrets.answers
        self.store.put(
            "secretstores",
            hub_secrets.secret_store(
                self.name, self.namespace, region=self._region, ready=ready, since=self._begun
            ),
        )

    def _take_members(self, now: float, committed_at: float) -> None:
        # The first members that are found were there before: nothing is onboarded for the demo.
        old = not self._registrations and committed_at < self._begun + _FILLED_SECONDS
        members = {member.cluster: member for member in self._world.members}
        for cluster, member in members.items():
            if cluster in self._registrations:
                self._registrations[cluster].member = member
            else:
                created = age(cluster, now) if old else 0.0
                self._registrations[cluster] = _Registration(member, created, old)
            if member.leaving and not self._registrations[cluster].left:
                self._registrations[cluster].left = now
        for cluster in [each for each in self._registrations if each not in members]:
            # As the shipped registration does: without the leaving mark the secret stays.
            if self._registrations[cluster].member.leaving:
                del self._registrations[cluster]
                self.store.delete("externalsecrets", f"cluster-{cluster}")

    def _put_sets(self) -> None:
        counts = Counter(sync.wanted.application_set for sync in self._syncs.values())
        names = []
        for document in self._world.sets:
            name = document["metadata"]["name"]
            names.append(name)
            problem = "; ".join(self._world.problems) if name == self._world.registration else ""
            old = self.store.get("applicationsets", name) or {"metadata": {}}
            made = objects.application_set(
                self.name,
                self.namespace,
                document,
                created=self._begun,
                problem=problem[:1000],
                count=counts[name],
            )
            annotations = {
                **old["metadata"].get("annotations", {}),
                **made["metadata"].get("annotations", {}),
            }
            annotations.pop(REFRESH_ANNOTATION, None)
            if annotations:
                made["metadata"]["annotations"] = annotations
            self.store.put("applicationsets", made)
        self.store.retain("applicationsets", names)

    def _advance_registrations(self, now: float) -> None:
        for registration in self._registrations.values():
            if registration.member.registration.problem:
                continue
            if not registration.created:
                sync = self._syncs.get(registration.member.registration.name)
                if sync is None or self._is_applying(sync, now):
                    continue
                registration.created = now
            self._look_at_secret(registration, now)
            if registration.ready and not registration.registered:
                registration.registered = max(registration.since, registration.created)
            self.store.put(
                "externalsecrets",
                hub_secrets.external_secret(
                    self.name,
                    self.namespace,
                    registration.member,
                    created=registration.created,
                    ready=registration.ready,
                    since=registration.since,
                    refreshed=self._refreshed(registration),
                ),
            )

    def _is_applying(self, sync: Sync, now: float) -> bool:
        return self._timing.stage(sync, now) in {Stage.OUT_OF_SYNC, Stage.RUNNING}

    def _refreshed(self, registration: _Registration) -> float:
        """When the operator last fetched; for a rotated secret, before the demo filled it in."""
        if self._faults.get(registration.member.cluster) == objects.ROTATED:
            return min(registration.looked, self._begun - _BEFORE_ROTATION)
        return registration.looked

    def _look_at_secret(self, registration: _Registration, now: float) -> None:
        if registration.ready is None:
            due = registration.created + _FIRST_LOOK / self._speed
        else:
            pause = _SECRET_REFRESH if registration.ready else _NEXT_LOOK / self._speed
            due = registration.looked + pause
        if now < max(due, self._silent_until):
            return
        server = self._secrets.server_of(registration.member.secret_name)
        if self._faults.get(registration.member.cluster) == objects.DELETING:
            # It was fetched before it was scheduled for deletion, and is not due to be fetched again.
            server = server or f"https://{registration.member.cluster}.spokes.example"
        if not self._secrets.answers:
            self._silent_until = now + _NEXT_LOOK
        ready = server is not None
        if ready != registration.ready:
            began_now = now < self._begun + _FILLED_SECONDS
            registration.since = registration.created if registration.old and began_now else now
        registration.ready, registration.looked = ready, now
        if server:
            registration.server = server

    def _advance_applications(self, now: float) -> None:
        wanted = {each.name: each for each in self._wanted(now)}
        for name, application in wanted.items():
            sync = self._syncs.get(name)
            if sync is None:
                self._syncs[name] = self._begin(application, now)
            elif application.paused:
                sync.wanted = replace(sync.wanted, paused=True)
            elif _renders(application) != _renders(sync.wanted):
                sync.wanted, sync.changed, sync.fresh = application, now, False
                sync.commit = self._world.commit
                sync.number += 1
            else:
                sync.wanted = application
        self._mark_matched(now)
        for name in [each for each in self._syncs if each not in wanted]:
            del self._syncs[name]
            self.store.delete("applications", name)
        for sync in self._syncs.values():
            shown = (sync.wanted, self._act(sync, now))
            if sync.wanted.paused and sync.shown:
                shown = (sync.wanted, sync.shown[1])  # nobody looks at it
            if shown != sync.shown:
                sync.shown = shown
                made = objects.application(self.name, self.namespace, *shown)
                self.store.put("applications", made)

    def _wanted(self, now: float) -> Iterator[WantedApplication]:
        yield from self._world.hub_applications
        yield from (member.registration for member in self._world.members)
        for registration in self._registrations.values():
            # ApplicationSets notice a new cluster secret a moment after it was written.
            noticed = registration.registered + 1.0 / self._speed
            if not registration.registered or now < noticed:
                continue
            if not registration.member.leaving:
                yield from registration.member.applications
            elif self._faults.get(registration.member.cluster) == "unreachable":
                # What an Application has to take along cannot be taken away there: its finalizer stays.
                for one in registration.member.applications:
                    if one.cascades:
                        yield replace(one, deleting=registration.left)

    def _mark_matched(self, now: float) -> None:
        for registration in self._registrations.values():
            if registration.registered and now >= registration.registered + 1.0 / self._speed:
                registration.matched = True

    def _begin(self, wanted: WantedApplication, now: float) -> Sync:
        registration = self._registrations.get(wanted.cluster)
        if registration is None:
            settled = True  # the hub's own
        else:
            own = wanted.destination != wanted.cluster
            settled = registration.old and not registration.matched
            settled = settled and (own or registration.registered < self._begun)
        begun = age(wanted.cluster, self._begun) if settled else now
        commit = self._world.commit
        return Sync(wanted, commit, created=begun, changed=begun, fresh=True, number=1)

    def _act(self, sync: Sync, now: float) -> Act:
        stage, behaviour = self._timing.stage(sync, now), self._behaviour(sync.wanted)
        if sync.wanted.component == "fleet-secret" and sync.wanted.cluster in self._registrations:
            ready = self._registrations[sync.wanted.cluster].ready
            if ready is None and stage is Stage.SETTLED:
                stage = Stage.PROGRESSING
            behaviour = behaviour or ("degraded" if ready is False else "")
        return Act(
            stage=stage,
            created=sync.created,
            started=self._timing.started(sync),
            finished=self._timing.finished(sync),
            reconciled=self._timing.compared(sync, stage, now),
            fresh=sync.fresh,
            commit=self._world.commit,
            synced=sync.commit,
            behaviour=behaviour,
            number=sync.number,
        )

    def _behaviour(self, wanted: WantedApplication) -> str:
        if wanted.name in self._faults:
            return self._faults[wanted.name]
        fault = self._fault_of(wanted)
        if fault and fault not in objects.OF_SECRETS and wanted.component != "fleet-secret":
            if fault in {"unreachable", "unknown"}:
                return fault
            registration = self._registrations.get(wanted.cluster)
            applications = registration.member.applications if registration else ()
            others = [each for each in applications if self._fault_of(each)]
            # One component of the cluster is enough to make it so.
            if others and wanted.name == min(others, key=lambda each: number(each.name)).name:
                return fault
        return wanted.behaviour

    def _fault_of(self, wanted: WantedApplication) -> str:
        on_channel = self._faults.get(f"{wanted.cluster}@{wanted.release}", "")
        return self._faults.get(wanted.cluster, "") or on_channel

    def _own_cluster(self, now: float, applications: int) -> Mapping[str, Any]:
        me = WantedMember(
            cluster=self.name,
            tenant="fleet",
            environment="",
            secret_name="",
            labels={"fleet_member": "hub-cluster"},
            annotations={},
            registration=_NOBODY,
            applications=(),
            leaving=False,
        )
        return objects.cluster(
            me,
            server=HUB_SERVER,
            attempted=now - now % 10,
            applications=applications,
        )


_NOBODY = WantedApplication("", "", "", "", "", "", "", "", "", "", "", "", "", "")


def _renders(wanted: WantedApplication) -> WantedApplication:
    return replace(wanted, behaviour="", paused=False, deleting=0.0)
