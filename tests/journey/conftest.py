"""A fleet outside of the demo: a bare repository made with plain git, one per layout profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import Group, User
from django.http import HttpResponse
from django.test import Client

from onboarding import wiring
from onboarding.domain.names import HubName, TenantName
from onboarding.models import Fleet, Hub
from onboarding.services.initializing import BOOTSTRAP, TEMPLATE, NewFleet, bootstrap
from tests import repositories
from tests.fakes import FakeQueue, FakeSecrets

HUB = "hub-cluster"
PEOPLE = {
    "requester": "Requesters",
    "approver": "Approvers",
    "administrator": "Administrators",
    "viewer": "Viewers",
}
# The layers of the other profile, lowest first, as its hub is told them.
ENVIRONMENTS_LAYERS = [
    "{base}/defaults/{component}/values.yaml",
    "{base}/tenants/{tenant}/defaults/{component}/values.yaml",
    "{base}/tenants/{tenant}/environments/{environment}/defaults/{component}/values.yaml",
    "{base}/tenants/{tenant}/environments/{environment}/clusters/{cluster}/{component}/values.yaml",
]


def template_files(layout: str) -> dict[str, bytes]:
    """The shipped fleet repository's files, its bootstrap filled in, in the folders of the layout."""
    files = {
        path.relative_to(TEMPLATE).as_posix(): path.read_bytes()
        for path in TEMPLATE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    new = NewFleet(
        repository_url="https://git.example.com/fleet.git",
        revision="main",
        hub=HubName(HUB),
        aws_region="eu-west-1",
        tenants=(TenantName("tenant1"), TenantName("tenant2")),
    )
    files[BOOTSTRAP] = bootstrap(files[BOOTSTRAP].decode(), new).encode()
    return files if layout == "tenants" else _environments(files)


def _environments(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same fleet in the other profile, which has no layer for all tenants and one more folder."""
    moved: dict[str, bytes] = {}
    for name, content in files.items():
        parts = name.split("/")
        if len(parts) > 4 and parts[1:3] == ["tenants", "defaults"]:
            continue
        if len(parts) > 5 and parts[1] == "tenants" and parts[3] == "environments":
            parts.insert(5, "defaults")
        moved["/".join(parts)] = content
    for name in files.keys() - moved.keys():
        base, _, rest = name.partition("/tenants/")
        if rest.startswith("defaults/"):
            below = yaml.safe_load(moved.get(f"{base}/{rest}", b"")) or {}
            above = yaml.safe_load(files[name]) or {}
            moved[f"{base}/{rest}"] = yaml.safe_dump(_merged(below, above)).encode()
    lines = "".join(f'    - "{line}"\n' for line in ENVIRONMENTS_LAYERS)
    head, _, rest = moved["addons/bootstrap/layout.yaml"].decode().partition("  valueFiles:\n")
    _, _, bases = rest.partition("  # The base folder")
    moved["addons/bootstrap/layout.yaml"] = (
        f"{head}  valueFiles:\n{lines}  # The base folder{bases}".encode()
    )
    return moved


def _merged(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{key: _merged(below.get(key), value) for key, value in above.items()}}


@dataclass
class Place:
    """A fleet with its people, signed in, and what stands in for AWS and the broker."""

    bare: Path
    layout: str
    queue: FakeQueue = field(default_factory=FakeQueue)
    secrets: FakeSecrets = field(default_factory=FakeSecrets)
    clients: dict[str, Client] = field(default_factory=dict)

    def get(self, who: str, path: str, **headers: str) -> HttpResponse:
        return self.clients[who].get(path, **headers)  # type: ignore[return-value]

    def post(self, who: str, path: str, data: dict[str, str], **headers: str) -> HttpResponse:
        return self.clients[who].post(path, data, **headers)  # type: ignore[return-value]

    def form(self, cluster: str = "spoke-a", **changes: str) -> dict[str, str]:
        """What a platform engineer enters; the secret is there unless a test takes it away."""
        self.secrets.add(f"fleet/{cluster}")
        return {
            "hub": HUB,
            "cluster": cluster,
            "tenant": "tenant1",
            "environment": "dev",
            "secret_name": f"fleet/{cluster}",
            "model": "centralized",
        } | changes

    def refs(self) -> str:
        """Where every ref of the remote stands: equal before and after means nothing was written."""
        return repositories.git(self.bare, "for-each-ref")


def people() -> list[User]:
    """One person of each role."""
    found = []
    for name, group in PEOPLE.items():
        person = User.objects.create_user(name, f"{name}@example.com", "x")
        if group:
            person.groups.add(Group.objects.get(name=group))
        found.append(person)
    return found


def signed_in(person: User) -> Client:
    """A browser in which this person is signed in."""
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture(params=["tenants", "environments"])
def layout(request: pytest.FixtureRequest) -> str:
    """The layout profile of the fleet."""
    return str(request.param)


@pytest.fixture
def place(
    db: None, tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch, settings
) -> Place:  # type: ignore[no-untyped-def]
    """A fleet of one hub in a bare repository that plain git made, and four people."""
    settings.REPOSITORIES_FOLDER = tmp_path / "mirrors"
    bare = repositories.bare_repository(tmp_path / "remote.git", template_files(layout))
    found = Place(bare=bare, layout=layout)
    fleet = Fleet.objects.create(name="platform", repository_url=str(bare), layout=layout)
    Hub.objects.create(fleet=fleet, name=HUB, aws_region="eu-west-1")
    found.clients = {person.username: signed_in(person) for person in people()}
    monkeypatch.setattr(wiring, "queue", lambda: found.queue)
    monkeypatch.setattr(wiring, "credentials", lambda hub: found.secrets)
    monkeypatch.setattr(wiring, "_mirrors", {})
    monkeypatch.setattr(wiring, "_copies", {})
    return found
