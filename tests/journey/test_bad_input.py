"""Bad input through the real form and pages: a clear answer at its field, and nothing written."""

from __future__ import annotations

import html

import pytest

from onboarding import tasks
from onboarding.domain.credentials import SecretPresence
from onboarding.models import Change, Cluster, Fleet
from tests import repositories
from tests.journey.conftest import HUB, Place

MEMBERS = "fleet/fleet-bootstrap/fleet-members"


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


def refused(place: Place, **changes: str) -> str:
    """Send the form; it comes back with 422, keeps what was typed, and wrote nothing anywhere."""
    before = place.refs()
    form = place.form() | changes
    answer = place.post("requester", "/clusters/register/", form)
    page = html.unescape(answer.content.decode())
    assert answer.status_code == 422, page[-2000:]
    assert not Change.objects.exclude(state="submitted", cluster_name="other").exists()
    assert place.refs() == before
    return page


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("cluster", "../etc", "may hold only lowercase letters"),
        ("cluster", "a/b", "may hold only lowercase letters"),
        ("cluster", "Spoke", "may hold only lowercase letters"),
        ("cluster", "a" * 64, "64 characters"),
        ("tenant", "..", "may hold only lowercase letters"),
        ("tenant", "defaults", "cannot be called defaults"),
        ("environment", "{{ .config }}", "may hold only lowercase letters"),
        ("secret_name", "{{ .config }}", "Secret name may hold"),
        ("githubSecretName", "{{ .config }}", "{{"),
        ("addons_repo_basepath", "../../etc", "addons"),
        ("pin_addonsRelease", "release9", "release9"),
        ("pin_enable_metrics_server", "{{ .config }}", "{{ .config }}"),
    ],
)
def test_it_says_what_is_wrong_at_the_field(
    place: Place, field: str, value: str, says: str
) -> None:
    page = refused(place, **{field: value})
    assert says in page
    assert 'aria-invalid="true"' in page or "fui-field-error" in page or "errors" in page


@pytest.mark.parametrize("presence", [SecretPresence.ABSENT, SecretPresence.PENDING_DELETION])
def test_it_refuses_a_secret_that_is_not_there(place: Place, presence: SecretPresence) -> None:
    place.secrets.add("fleet/gone", presence)
    assert "fleet/gone" in refused(place, secret_name="fleet/gone")


@pytest.mark.parametrize(
    "presence", [SecretPresence.DENIED, SecretPresence.THROTTLED, SecretPresence.UNREACHABLE]
)
def test_it_is_not_stopped_by_a_secret_that_cannot_be_asked_for(
    place: Place, presence: SecretPresence
) -> None:
    form = place.form()
    place.secrets.add("fleet/spoke-a", presence)
    said = place.get(
        "requester", f"/clusters/register/secret/?hub={HUB}&secret_name=fleet/spoke-a"
    ).content.decode()
    assert presence.value.capitalize() in said
    assert place.post("requester", "/clusters/register/", form).status_code == 302


def test_it_refuses_a_name_that_git_has_since_a_second(place: Place) -> None:
    taken = (
        'tenant: "t"\nclusterName: "spoke-a"\nenvironment: "dev"\nsecretManagerSecretName: "s"\n'
    )
    flags = 'use_remote_argo: "false"\nenable_remote_resources: "false"\nenable_remote_addons: "false"\n'
    repositories.commit(place.bare, {f"{MEMBERS}/other-hub/spoke-a.yaml": taken + flags})
    assert f"{MEMBERS}/other-hub/spoke-a.yaml" in refused(place)


def test_it_refuses_a_name_of_an_open_change(place: Place) -> None:
    assert place.post("requester", "/clusters/register/", place.form("other")).status_code == 302
    assert "still open" in refused(place, cluster="other")


def test_it_refuses_remote_flags_that_nobody_would_act_on(place: Place) -> None:
    refused(place, remote_addons="on")


def test_one_bad_file_never_hides_the_others(place: Place) -> None:
    good = (
        'tenant: "tenant1"\nclusterName: "fine"\nenvironment: "dev"\nsecretManagerSecretName: "s"\n'
    )
    flags = 'use_remote_argo: "false"\nenable_remote_resources: "false"\nenable_remote_addons: "false"\n'
    repositories.commit(
        place.bare,
        {
            f"{MEMBERS}/{HUB}/fine.yaml": good + flags,
            f"{MEMBERS}/{HUB}/broken.yaml": "a: b\n  c: [\n",
        },
    )
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    tasks.refresh_standings()
    assert not Cluster.objects.get(name="fine").problem
    assert f"{HUB}/broken.yaml" in Cluster.objects.get(name="broken").problem
    lint = place.get("viewer", "/lint/").content.decode()
    assert "broken.yaml:2:4" in lint
    assert "fine" in place.get("viewer", "/clusters/").content.decode()
    assert place.post("requester", "/clusters/register/", place.form()).status_code == 302


def test_it_answers_readably_where_the_repository_is_empty(place: Place) -> None:
    repositories.git(place.bare, "update-ref", "-d", "refs/heads/main")
    assert "commit" in refused(place)


def test_it_answers_readably_where_the_remote_is_gone(place: Place) -> None:
    place.bare.rename(place.bare.with_suffix(".away"))
    answer = place.post("requester", "/clusters/register/", place.form())
    assert answer.status_code == 422
    assert "does not exist" in answer.content.decode()
    assert not Change.objects.exists()
    for path in (
        "/",
        "/clusters/",
        "/releases/",
        "/tenants/",
        "/lint/",
        "/system/",
        "/clusters/register/",
    ):
        assert place.get("requester", path).status_code == 200, path
