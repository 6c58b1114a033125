"""The whole way on a fleet of one's own: configured, asked for, approved, committed, acted out, seen.

Nothing of the product is replaced but the bell that wakes workers: the repository is a bare one that
plain git made, the secrets are asked for over HTTP, and the hub is another process. The demo hub
predicts with the product's own domain, so what it shows is compared with values written down here.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client

from onboarding import tasks, wiring
from onboarding.models import Change, Delivery
from onboarding.services import events
from tests import repositories
from tests.fakes import FakeQueue
from tests.journey import reading, surroundings
from tests.journey.conftest import HUB, people, template_files
from tests.journey.surroundings import RunningHub, SecretsManager, wait_for

MEMBERS = f"fleet/fleet-bootstrap/fleet-members/{HUB}"
MEMBER_PATH = f"{MEMBERS}/spoke-a.yaml"
PINS_PATHS = {
    "tenants": "addons/tenants/tenant1/clusters/spoke-a/fleet/fleet-secret/values.yaml",
    "environments": (
        "addons/tenants/tenant1/environments/dev/clusters/spoke-a/fleet/fleet-secret/values.yaml"
    ),
}
# A member that people registered by hand, long before the product came.
OLD_MEMBER = """\
# spoke-old: ask the network team before you touch this
tenant: tenant1
clusterName:   spoke-old   # odd spacing, on purpose
environment: "prod"
secretManagerSecretName: fleet/spoke-old
use_remote_argo: "false"
enable_remote_resources: "false"
enable_remote_addons: "false"
costCentre: 4711
"""
MEMBER = """\
tenant: "tenant1"
clusterName: "spoke-a"
environment: "dev"
secretManagerSecretName: "fleet/spoke-a"
use_remote_argo: "false"
enable_remote_resources: "false"
enable_remote_addons: "false"
"""
PINS = """\
externalSecret:
  labels:
    addonsRelease: "default"
    enable_metrics_server: "true"
"""
# The same after somebody has looked after it, and after the product has edited that.
PINS_BY_HAND = """\
# Asked for by the team of spoke-a.
externalSecret:
  labels:
    addonsRelease: "default"  # until the audit is over
    enable_metrics_server: "true"
"""
PINS_EDITED = """\
# Asked for by the team of spoke-a.
externalSecret:
  labels:
    addonsRelease: "release1"  # until the audit is over
    enable_metrics_server: "true"
    enable_external_dns: "true"
    enable_quota_defaults: "false"
"""
TYPED = {
    "cluster": "spoke-a",
    "tenant": "tenant1",
    "environment": "dev",
    "secret_name": "fleet/spoke-a",
    "pin_addonsRelease": "default",
    "pin_enable_metrics_server": "true",
}
LABELS = {
    "addonsRelease": "default",
    "argocd.argoproj.io/secret-type": "cluster",
    "enable_cluster_info": "true",
    "enable_metrics_server": "true",
    "enable_monitoring_settings": "true",
    "enable_namespace_baseline": "true",
    "enable_quota_defaults": "true",
    "enable_remote_addons": "false",
    "enable_remote_resources": "false",
    "environment": "dev",
    "fleetRelease": "default",
    "fleet_member": "spoke",
    "monitoringRelease": "default",
    "resourcesRelease": "default",
    "tenant": "tenant1",
    "use_external_secrets": "false",
    "use_remote_argo": "false",
}
APPLICATIONS = (
    "cluster-info-spoke-a",
    "metrics-server-spoke-a",
    "monitoring-settings-spoke-a",
    "namespace-baseline-spoke-a",
    "quota-defaults-spoke-a",
)
STAGES = (
    "Approved",
    "Committed to Git",
    "Noticed by the hub",
    "Credentials fetched",
    "Registered in Argo CD",
    "Matched by ApplicationSets",
    "Applications synced",
    "Applications healthy",
)


@dataclass
class Installation:
    """The product, configured for one fleet, with people who use real forms, and what is around it."""

    bare: Path
    layout: str
    hub: RunningHub
    secrets: SecretsManager
    queue: FakeQueue
    clients: dict[str, Client]
    after_commit: Callable[[], AbstractContextManager[Any]]

    @property
    def pins_path(self) -> str:
        """The file of spoke-a's own labels."""
        return PINS_PATHS[self.layout]

    def get(self, who: str, path: str) -> HttpResponse:
        answer = self.clients[who].get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer

    def send(self, who: str, path: str, action: str = "", **typed: str) -> HttpResponse:
        """Open a page, type into the form that is sent to `action` (the page itself), and send it."""
        fields = reading.form(self.get(who, path), action or path)
        with self.after_commit():
            return self.clients[who].post(action or path, fields | typed)

    def work(self) -> list[str]:
        """What the workers do: everything that they were woken for, and what follows from it."""
        done = []
        while self.queue.woken:
            name, identifiers = self.queue.woken.pop(0)
            getattr(tasks, name.removeprefix("onboarding."))(**identifiers)
            done.append(name)
        return done

    def look(self) -> HttpResponse:
        """Observe the hub once, and open the cluster's page."""
        call_command("watch_hubs", once=True, stdout=io.StringIO())
        tasks.refresh_standings()
        return self.get("viewer", f"/clusters/{HUB}/spoke-a/")

    def look_until_healthy(self, names: Collection[str]) -> HttpResponse:
        """Look until spoke-a is said to be Healthy with exactly these Applications; never before."""

        def seen() -> HttpResponse | None:
            page = self.look()
            if reading.verdict(page) != "Healthy":
                return None
            settled = {
                name: (one["status"]["sync"]["status"], one["status"]["health"]["status"])
                for name, one in self.hub.applications("spoke-a").items()
            }
            assert settled == dict.fromkeys(names, ("Synced", "Healthy"))
            assert set(reading.applications(page)) == set(names)
            return page

        return cast("HttpResponse", wait_for(seen))

    def refs(self) -> str:
        """Where every ref of the remote stands: equal before and after means nothing was written."""
        return repositories.git(self.bare, "for-each-ref")

    def tree_of(self, commit: str) -> str:
        """Git's id of a commit's whole tree."""
        return repositories.git(self.bare, "rev-parse", f"{commit}^{{tree}}")

    def tree_with(self, commit: str, patch: str) -> str:
        """Git's id of the tree that plain git makes of a commit by applying a patch."""
        repositories.git(self.bare, "read-tree", commit)
        repositories.git(self.bare, "apply", "--cached", "-", stdin=patch.encode())
        return repositories.git(self.bare, "write-tree")

    def foreseen(self, change: Change) -> dict[str, set[str]]:
        """The names of the Applications that a change's page says appear, change and disappear."""
        words = reading.words(self.get("viewer", f"/changes/{change.pk}/"))
        impact = change.plan["impact"]
        found = {
            "appear": {one["name"] for one in impact["appear"]},
            "change": {after["name"] for _, after in impact["change"]},
            "disappear": {one["name"] for one in impact["disappear"]},
        }
        assert impact["complete"]
        for word, names in found.items():
            assert all(f"<b>{name}</b>" in words for name in names), word
        return found


def registered(site: Installation) -> Change:
    """Ask for spoke-a as the requester and approve it as the approver; nothing is delivered yet."""
    before = site.refs()
    page = site.get("requester", "/clusters/register/")
    fields = reading.form(page, "/clusters/register/") | TYPED
    preview = site.clients["requester"].post(
        "/clusters/register/preview/", fields, headers={"HX-Request": "true"}
    )
    shown = reading.text(preview, "preview-part")
    for path, content in ((MEMBER_PATH, MEMBER), (site.pins_path, PINS)):
        assert path in shown
        assert all(f"+{line}" in shown for line in content.splitlines())
    assert all(name in shown for name in APPLICATIONS)
    assert not Change.objects.exists()
    sent = site.clients["requester"].post("/clusters/register/", fields)
    change = Change.objects.get()
    assert (sent.status_code, sent.headers["Location"]) == (302, f"/changes/{change.pk}/")
    assert site.work() == []
    approve(site, change)
    assert site.refs() == before
    return change


def approve(site: Installation, change: Change) -> None:
    """The approver opens the change and approves exactly what its page shows."""
    page = f"/changes/{change.pk}/"
    digest = reading.decision(site.get("approver", page))["digest"]
    assert digest == change.plan_digest
    typed = {"reason": "As agreed.", "confirm": change.cluster_name}
    approved = site.send("approver", page, f"{page}approve/", **typed)
    assert (approved.status_code, approved.headers["Location"]) == (302, page)
    assert site.queue.woken == [("onboarding.deliver", {"fleet_id": change.fleet_id})]


def test_it_brings_a_cluster_from_the_form_to_healthy(installation: Installation) -> None:
    site = installation
    before, base = repositories.tree(site.bare), repositories.tip(site.bare)
    change = registered(site)
    audit_head = events.head()
    tasks.deliver(fleet_id=change.fleet_id)
    tip = repositories.tip(site.bare)
    # A message that comes twice, and one that was lost and swept up.
    tasks.deliver(fleet_id=change.fleet_id)
    tasks.sweep()
    assert site.work().count("onboarding.tell_hub") == 1

    # In Git: one commit, those two files, nothing else.
    assert repositories.tip(site.bare) == tip
    assert repositories.git(site.bare, "rev-list", f"{base}..{tip}") == tip
    after = repositories.tree(site.bare)
    assert after == before | {MEMBER_PATH: MEMBER.encode(), site.pins_path: PINS.encode()}
    assert site.tree_with(base, change.plan["patch"]) == site.tree_of(tip)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.commit, delivery.digest) == (
        "committed",
        tip,
        change.plan_digest,
    )
    asked = repositories.git(site.bare, "show", "--no-patch", "--format=%an <%ae>", tip)
    assert asked == "requester <requester@example.com>"
    assert repositories.git(site.bare, "show", "--no-patch", "--format=%s%n%(trailers)", tip) == (
        "Register cluster spoke-a on hub hub-cluster\n"
        f"Change-Id: {change.uid}\n"
        "Requested-by: requester\n"
        "Approved-by: approver\n"
        f"Plan-Digest: {change.plan_digest}\n"
        f"Audit-Head: {audit_head}"
    )

    # On the hub, as it says itself: what was foreseen, and as the page says.
    page = site.look_until_healthy(APPLICATIONS)
    assert reading.timeline(page) == dict.fromkeys(STAGES, "done")
    assert site.hub.labels("spoke-a") == LABELS
    assert {one["key"]: one["value"] for one in change.plan["labels_after"]} == LABELS
    assert site.foreseen(change) == {
        "appear": set(APPLICATIONS),
        "change": set(),
        "disappear": set(),
    }
    live = site.hub.applications("spoke-a")
    assert {one["name"]: one["namespace"] for one in change.plan["impact"]["appear"]} == {
        name: one["spec"]["destination"]["namespace"] for name, one in live.items()
    }
    assert live["metrics-server-spoke-a"]["spec"]["sources"][0]["targetRevision"] == "3.12.2"
    shown = reading.words(page)
    assert "All 5 Applications are synced and healthy." in shown
    assert all(f"https://argocd.example.com/applications/argocd/{name}" in shown for name in live)
    # Charts of the repository have their own versions, not the name of the branch.
    assert reading.versions(page) == dict.fromkeys(APPLICATIONS, "1.0.0") | {
        "cluster-info-spoke-a": "1.1.0",
        "metrics-server-spoke-a": "3.12.2",
    }
    labels = reading.words(site.get("viewer", f"/clusters/{HUB}/spoke-a/?tab=labels"))
    assert all(key in labels for key in LABELS)
    assert site.pins_path in labels
    everyone = reading.words(site.get("viewer", "/clusters/?state=healthy"))
    assert f"/clusters/{HUB}/spoke-a/" in everyone


def test_it_edits_a_member_among_the_commits_of_people(installation: Installation) -> None:
    site = installation
    change = registered(site)
    site.work()
    site.look_until_healthy(APPLICATIONS)
    people_wrote = {
        MEMBER_PATH: MEMBER.replace('"dev"', '"dev"  # since spring') + "costCentre: 12\n",
        site.pins_path: PINS_BY_HAND,
        "README.md": "Ours.\r\nNo final newline",
        "addons/defaults/metrics-server/values.yaml": "# nothing yet\n",
    }
    repositories.commit(site.bare, people_wrote, message="Tidy up")
    before = repositories.tree(site.bare)

    # Pin a channel, switch a component off, switch one on that only this channel has.
    edit = edited(
        site,
        pin_addonsRelease="release1",
        pin_enable_quota_defaults="false",
        pin_enable_external_dns="true",
    )
    moved = {"cluster-info-spoke-a", "metrics-server-spoke-a"}
    assert site.foreseen(edit) == {
        "appear": {"external-dns-spoke-a"},
        "change": moved,
        "disappear": {"quota-defaults-spoke-a"},
    }
    old = site.hub.applications("spoke-a")
    site.work()
    assert repositories.tree(site.bare) == before | {site.pins_path: PINS_EDITED.encode()}
    wanted = set(APPLICATIONS) - {"quota-defaults-spoke-a"} | {"external-dns-spoke-a"}
    site.look_until_healthy(wanted)
    new = site.hub.applications("spoke-a")
    assert {name for name in old.keys() & new.keys() if _again(old[name], new[name])} == moved
    assert new["metrics-server-spoke-a"]["spec"]["sources"][0]["targetRevision"] == "3.13.0"
    assert site.hub.labels("spoke-a") == LABELS | {
        "addonsRelease": "release1",
        "enable_external_dns": "true",
        "enable_quota_defaults": "false",
    }

    # Inherit all of it again: dev is on release1 already, so no version moves.
    names = ("addonsRelease", "enable_quota_defaults", "enable_external_dns")
    back = edited(site, **{f"pin_{name}": "" for name in (*names, "enable_metrics_server")})
    assert back.destructive
    assert site.foreseen(back) == {
        "appear": {"quota-defaults-spoke-a"},
        "change": set(),
        "disappear": {"external-dns-spoke-a", "metrics-server-spoke-a"},
    }
    site.work()
    # A file that people wrote stays, with what they wrote that is no pin.
    assert repositories.tree(site.bare) == before | {
        site.pins_path: b"# Asked for by the team of spoke-a.\n"
    }
    site.look_until_healthy(set(APPLICATIONS) - {"metrics-server-spoke-a"})
    inherited = LABELS | {"addonsRelease": "release1"}
    del inherited["enable_metrics_server"]
    assert site.hub.labels("spoke-a") == inherited
    authors = repositories.git(site.bare, "log", "--format=%an: %s", "--reverse").splitlines()
    assert authors[2:] == [
        "requester: Register cluster spoke-a on hub hub-cluster",
        "Platform Team: Tidy up",
        "requester: Edit cluster spoke-a on hub hub-cluster",
        "requester: Edit cluster spoke-a on hub hub-cluster",
    ]
    assert change.fleet_id == back.fleet_id


def edited(site: Installation, **typed: str) -> Change:
    """Edit spoke-a with its own form, and approve that; not yet delivered."""
    sent = site.send("requester", f"/clusters/{HUB}/spoke-a/edit/", **typed)
    assert sent.status_code == 302, reading.words(sent)[-2000:]
    change = Change.objects.latest("pk")
    approve(site, change)
    return change


def _again(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether Argo CD has synced an Application once more."""
    return len(new["status"]["history"]) > len(old["status"]["history"]) or (
        new["status"]["history"][-1] != old["status"]["history"][-1]
    )


@pytest.fixture(scope="module")
def secrets() -> Iterator[SecretsManager]:
    """A Secrets Manager with the credentials of both spokes."""
    with surroundings.secrets_manager() as found:
        for name in ("spoke-a", "spoke-old"):
            found.put(f"fleet/{name}", f"https://{name}.example.com")
        yield found


@pytest.fixture
def installation(
    db: None,
    tmp_path: Path,
    layout: str,
    secrets: SecretsManager,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[Any]],
) -> Iterator[Installation]:
    """An installation that an administrator has configured on its own pages."""
    settings.REPOSITORIES_FOLDER = tmp_path / "mirrors"
    queue = FakeQueue()
    monkeypatch.setattr(wiring, "queue", lambda: queue)
    monkeypatch.setattr(wiring, "_mirrors", {})
    monkeypatch.setattr(wiring, "_copies", {})
    for name, value in surroundings.AWS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    bare = repositories.bare_repository(
        tmp_path / "elsewhere" / "fleet.git", template_files(layout)
    )
    repositories.commit(bare, {f"{MEMBERS}/spoke-old.yaml": OLD_MEMBER}, message="Add spoke-old")
    clients = {}
    for person in people():
        clients[person.username] = Client(enforce_csrf_checks=True)
        clients[person.username].force_login(person)
    with surroundings.running_hub(bare, hub=HUB, layout=layout, secrets=secrets) as hub:
        site = Installation(
            bare,
            layout,
            hub,
            secrets,
            queue,
            clients,
            lambda: django_capture_on_commit_callbacks(execute=True),
        )
        configure(site)
        yield site


def configure(site: Installation) -> None:
    """Enter the fleet and its hub, and test every connection."""
    saved = site.send(
        "administrator",
        "/admin/fleets/add/",
        name="platform",
        repository_url=str(site.bare),
        layout=site.layout,
    )
    assert (saved.status_code, saved.headers["Location"]) == (302, "/admin/fleets/")
    saved = site.send(
        "administrator",
        "/admin/hubs/add/",
        name=HUB,
        api_url=site.hub.address,
        argocd_url=site.hub.address,
        link_url="https://argocd.example.com",
        namespace=surroundings.NAMESPACE,
        aws_region=surroundings.REGION,
        aws_endpoint_url=site.secrets.endpoint,
    )
    assert (saved.status_code, saved.headers["Location"]) == (302, "/admin/hubs/")
    for tested, page in (("platform", "/admin/fleets/"), (HUB, "/admin/hubs/")):
        said = reading.text(
            site.send("administrator", page, f"{page}{tested}/test/"), f"test-{tested}"
        )
        assert said.count("Works") == (1 if tested == "platform" else 3), said
        assert "Failed" not in said
    assert site.work() == ["onboarding.refresh_fleet"]
