"""Bad input through the real form and pages: a clear answer at its field, and nothing written."""

from __future__ import annotations

import pytest
from django import forms
from django.http import HttpResponse

from onboarding import tasks
from onboarding.domain.credentials import SecretPresence
from onboarding.models import Change, Cluster, Fleet
from tests import repositories
from tests.journey import reading
from tests.journey.conftest import HUB, Place

MEMBERS = "fleet/fleet-bootstrap/fleet-members"
REGISTER = "/clusters/register/"
TEMPLATE = "{{ .config }}"


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


def refused(place: Place, **changes: str) -> HttpResponse:
    """Send the form; it comes back with 422, keeps the rest of what was typed, and wrote nothing."""
    before = place.refs()
    form = (
        place.form() | {"githubSecretName": "git/own", "pin_enable_cert_manager": "true"} | changes
    )
    answer = place.post("requester", REGISTER, form)
    assert answer.status_code == 422, reading.words(answer)[-2000:]
    kept = reading.form(answer, REGISTER)
    assert {name: kept[name] for name in form if name not in changes} == {
        name: form[name] for name in form if name not in changes
    }
    assert not Change.objects.exclude(state="submitted", cluster_name="other").exists()
    assert place.refs() == before
    return answer


def member(cluster: str) -> str:
    return (
        f'tenant: "tenant1"\nclusterName: "{cluster}"\nenvironment: "dev"\n'
        f'secretManagerSecretName: "fleet/of-{cluster}"\nuse_remote_argo: "false"\n'
        'enable_remote_resources: "false"\nenable_remote_addons: "false"\n'
    )


TEXTS = (
    "cluster", "tenant", "environment", "secret_name", "server", "addons_repo_basepath",
    "resources_repo_basepath", "githubSecretName",
)  # fmt: skip
CHOICES = ("hub", "model", "githubSecret", "use_fleet_ack", "pin_addonsRelease",
           "pin_enable_metrics_server")  # fmt: skip
NAMES = {
    "..": "may hold only lowercase letters",
    "a/b": "may hold only lowercase letters",
    "Spoke": "may hold only lowercase letters",
    "spöke": "may hold only lowercase letters",
    "spoke one": "may hold only lowercase letters",
    "spoke\none": "may hold only lowercase letters",
    "spoke\u200bone": "may hold only lowercase letters",
    "-spoke": "must begin and end with a letter or digit",
    "a" * 64: "64 characters",
    "   ": "This field is required",
}


def test_it_asks_for_no_other_text(place: Place) -> None:
    page = place.get("requester", "/clusters/register/")
    form = page.context["page"].form
    texts = {
        name for name, field in form.fields.items() if isinstance(field.widget, forms.TextInput)
    }
    assert texts == set(TEXTS)


def test_it_refuses_a_template_in_every_text_and_keeps_it_there(place: Place) -> None:
    for name in TEXTS:
        answer = refused(place, **{name: TEMPLATE})
        assert reading.error_at(answer, name), name
        assert reading.form(answer, REGISTER)[name] == TEMPLATE


def test_it_refuses_a_template_where_there_is_a_choice(place: Place) -> None:
    for name in CHOICES:
        answer = refused(place, **{name: TEMPLATE})
        said = reading.error_at(answer, name)
        assert TEMPLATE in said, "what was sent is named, and filled in by nobody"
        assert said.removeprefix(TEMPLATE) != "", name
        assert reading.form(answer, REGISTER).get(name) != TEMPLATE


def test_it_refuses_a_template_in_every_text_of_an_edit(place: Place) -> None:
    path = f"{MEMBERS}/{HUB}/spoke-a.yaml"
    repositories.commit(place.bare, {path: member("spoke-a")})
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    here = f"/clusters/{HUB}/spoke-a/edit/"
    form = reading.form(place.get("requester", here), here)
    texts = [name for name in TEXTS if name in form]
    assert texts == ["addons_repo_basepath", "resources_repo_basepath", "githubSecretName"]
    before = place.refs()
    for name in texts:
        answer = place.post("requester", here, form | {name: TEMPLATE})
        assert answer.status_code == 422
        assert reading.error_at(answer, name), name
        assert reading.form(answer, here)[name] == TEMPLATE
    assert not Change.objects.exists()
    # What is fixed is not read from what a browser sends.
    fixed = dict.fromkeys(("hub", "cluster", "tenant", "environment", "secret_name"), TEMPLATE)
    place.post("requester", here, form | fixed | {"githubSecretName": "git/own"})
    asked = Change.objects.get()
    assert TEMPLATE not in str((asked.intent, asked.plan, asked.cluster_name))
    assert place.refs() == before


@pytest.mark.parametrize("field", ["cluster", "tenant", "environment"])
def test_it_refuses_a_name_that_is_none_and_keeps_it(place: Place, field: str) -> None:
    for name, says in NAMES.items():
        answer = refused(place, **{field: name})
        assert says in reading.error_at(answer, field), name
        assert reading.form(answer, REGISTER)[field] == name


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("tenant", "defaults", "cannot be called defaults"),
        ("cluster", "spoke\x00", "Null characters are not allowed"),
        ("addons_repo_basepath", "../../etc", "addons"),
        ("pin_addonsRelease", "release9", "release9 is no release channel of this group"),
    ],
)
def test_it_says_what_is_wrong_at_the_field(
    place: Place, field: str, value: str, says: str
) -> None:
    assert says in reading.error_at(refused(place, **{field: value}), field)


@pytest.mark.parametrize("presence", [SecretPresence.ABSENT, SecretPresence.PENDING_DELETION])
def test_it_refuses_a_secret_that_is_not_there(place: Place, presence: SecretPresence) -> None:
    place.secrets.add("fleet/gone", presence)
    answer = refused(place, secret_name="fleet/gone")
    assert "fleet/gone" in reading.error_at(answer, "secret_name")


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
    path = f"{MEMBERS}/other-hub/spoke-a.yaml"
    repositories.commit(place.bare, {path: member("spoke-a")})
    assert path in reading.error_at(refused(place), "cluster")


def test_it_refuses_a_name_on_a_hub_of_another_fleet(place: Place) -> None:
    other = Fleet.objects.create(
        name="second-fleet", repository_url="https://git.example.com/o.git"
    )
    Cluster.objects.create(fleet=other, path="m/far-hub/a.yaml", hub_name="far-hub", name="spoke-a")
    assert "hub far-hub (m/far-hub/a.yaml in fleet second-fleet)" in reading.error_at(
        refused(place), "cluster"
    )


def test_it_refuses_a_name_of_an_open_change(place: Place) -> None:
    assert place.post("requester", "/clusters/register/", place.form("other")).status_code == 302
    answer = refused(place, cluster="other")
    assert "still open" in reading.error_at(answer, "cluster")


def test_it_refuses_remote_flags_that_nobody_would_act_on(place: Place) -> None:
    answer = refused(place, remote_addons="on")
    assert reading.error_at(answer, "remote_addons")
