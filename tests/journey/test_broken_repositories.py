"""A repository that is broken, empty, without its branch or gone: every page answers, in words."""

from __future__ import annotations

import html
from collections.abc import Callable

import pytest
from django.http import HttpResponse

from onboarding import tasks, wiring
from onboarding.models import Change, Cluster, Fleet
from tests import repositories
from tests.journey import reading
from tests.journey.conftest import HUB, Place
from tests.journey.test_access import ADDRESSES
from tests.roles_table import table

MEMBERS = f"fleet/fleet-bootstrap/fleet-members/{HUB}"
VERSIONS = "fleet/bootstrap/versions/applicationSets.yaml"
TENANT_LABELS = "addons/tenants/tenant1/defaults/fleet/fleet-secret/values.yaml"
EDIT = f"/clusters/{HUB}/fine/edit/"
MALFORMED = "a: b\n  c: [\n"
"""Its error is on line 2, column 4."""


def member(cluster: str, tenant: str = "tenant1") -> str:
    return (
        f'tenant: "{tenant}"\nclusterName: "{cluster}"\nenvironment: "dev"\n'
        f'secretManagerSecretName: "fleet/{cluster}"\nuse_remote_argo: "false"\n'
        'enable_remote_resources: "false"\nenable_remote_addons: "false"\n'
    )


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


@pytest.fixture
def fleet(place: Place) -> Place:
    """A fleet with two members, a request that waits and a draft."""
    write(place, {f"{MEMBERS}/{name}.yaml": member(name) for name in ("fine", "other")})
    place.post("requester", "/clusters/register/", place.form("asked"))
    place.post("requester", "/clusters/register/draft/", place.form("begun"))
    return place


def write(place: Place, files: dict[str, str]) -> None:
    """Commit by hand, and let the product notice."""
    repositories.commit(place.bare, files)
    notice()


def notice() -> None:
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    tasks.refresh_standings()
    wiring._copies.clear()


def empty(place: Place) -> None:
    repositories.git(place.bare, "update-ref", "-d", "refs/heads/main")


def without_its_branch(place: Place) -> None:
    repositories.git(place.bare, "branch", "-m", "main", "elsewhere")


def gone(place: Place) -> None:
    place.bare.rename(place.bare.with_suffix(".away"))


def broken(*paths: str) -> Callable[[Place], None]:
    return lambda place: write(place, dict.fromkeys(paths, MALFORMED))


def _answers(page: HttpResponse, action: str) -> dict[str, str]:
    """What the page's form would send, without its token."""
    found = reading.form(page, action)
    return {name: value for name, value in found.items() if name != "csrfmiddlewaretoken"}


def every_address(place: Place) -> dict[str, str]:
    """Each page that can be looked at, on what this fleet has, and who looks."""
    asked, draft = (Change.objects.get(state=state).pk for state in ("submitted", "draft"))
    keys = dict.fromkeys(("rollout", "bulk", "adoption", "grant", "policy"), 1)
    keys |= {"hub": HUB, "cluster": "nobody", "tenant": "tenant1", "change": asked}
    found = {
        ADDRESSES[name].format(**keys): "administrator"
        if answers["requester"] == "no"
        else "requester"
        for (name, method), answers in table("Addresses").items()
        if method == "GET"
    }
    cluster = f"/clusters/{HUB}/fine/"
    tabs = {cluster: ("applications", "labels", "values", "history", "files"),
            f"/changes/{asked}/": ("plan", "diff", "values", "discussion", "delivery", "evidence"),
            }  # fmt: skip
    more = [f"{path}?tab={tab}" for path, named in tabs.items() for tab in named]
    more += [EDIT, f"/changes/{draft}/edit/", "/values/?q=addonsRelease"]
    more += [f"/clusters/compare/?a={HUB}/fine&b={HUB}/other", "/clusters/register/?tenant=tenant1"]
    return found | dict.fromkeys(more, "requester")


@pytest.mark.parametrize(
    "harm",
    [
        empty,
        without_its_branch,
        gone,
        pytest.param(broken(VERSIONS), id="broken_versions_file"),
        pytest.param(broken(TENANT_LABELS, f"{MEMBERS}/fine.yaml"), id="broken_member_and_labels"),
    ],
)
def test_it_answers_on_every_page(fleet: Place, harm: Callable[[Place], None]) -> None:
    harm(fleet)
    notice()
    for client in fleet.clients.values():
        client.raise_request_exception = False
    answers = {path: fleet.get(who, path).status_code for path, who in every_address(fleet).items()}
    missing = (
        "/nobody/",
        "/adopt/1/",
        "/bulk/1/",
        "/rollouts/1/",
        "/policies/1/",
        "/webhooks/chat/",
    )
    unknown = {path for path in answers if any(one in path for one in missing)}
    expected = {path: 404 if path in unknown else 200 for path in answers}
    assert answers == expected | {"/live/": 204}  # a stream is for a page that stays open


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (empty, "is no longer in the repository"),
        (without_its_branch, "has no branch main; it has elsewhere"),
        (gone, "does not exist or this account may not read it"),
        (broken(f"{MEMBERS}/fine.yaml"), f"{MEMBERS}/fine.yaml, line 2, column 4"),
    ],
)
def test_it_keeps_an_edit_that_cannot_be_asked_for_now(
    fleet: Place, harm: Callable[[Place], None], says: str
) -> None:
    page = fleet.get("requester", EDIT)
    typed = _answers(page, EDIT) | {
        "githubSecretName": "git/of-fine",
        "pin_addonsRelease": "release1",
        "pin_enable_metrics_server": "false",
    }
    harm(fleet)
    wiring._copies.clear()
    before = fleet.refs() if fleet.bare.exists() else ""

    refused = fleet.post("requester", EDIT, typed)

    assert refused.status_code == 422
    assert says in reading.words(refused)
    kept = reading.form(refused, "/clusters/register/preview/")
    assert typed.items() <= kept.items()
    assert says in reading.words(
        fleet.post("requester", "/clusters/register/preview/", typed, HTTP_HX_REQUEST="true")
    )
    assert fleet.post("requester", "/clusters/register/draft/", kept).status_code == 302
    draft = Change.objects.filter(state="draft").latest("pk")
    assert (draft.kind, draft.cluster_name, draft.hub and draft.hub.name) == ("edit", "fine", HUB)
    assert draft.form_data["pin_enable_metrics_server"] == "false"
    assert draft.form_data["githubSecretName"] == "git/of-fine"
    assert Change.objects.exclude(state="draft").count() == 1
    assert (fleet.refs() if fleet.bare.exists() else "") == before


def test_it_goes_on_with_a_draft_of_an_edit(fleet: Place) -> None:
    typed = reading.form(fleet.get("requester", EDIT), EDIT) | {"pin_addonsRelease": "release1"}
    fleet.post("requester", "/clusters/register/draft/", typed)
    draft = Change.objects.filter(state="draft").latest("pk")
    here = f"/changes/{draft.pk}/edit/"

    page = fleet.get("requester", here)

    assert "<h1>Edit fine" in " ".join(reading.words(page).split())
    shown = reading.form(page, here)
    assert (shown["pin_addonsRelease"], shown["editing_name"]) == ("release1", "fine")
    assert fleet.post("requester", here, shown).status_code == 302
    draft.refresh_from_db()
    assert (draft.state, draft.intent["pins"]["addonsRelease"]) == ("submitted", "release1")


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (gone, "does not exist or this account may not read it"),
        (without_its_branch, "has no branch main"),
        (empty, "the branch has no commit yet"),
        (broken(VERSIONS), f"{VERSIONS}, line 2, column 4"),
        (broken(TENANT_LABELS), f"{TENANT_LABELS}, line 2, column 4"),
    ],
)
def test_it_keeps_a_registration_that_cannot_be_asked_for_now(
    fleet: Place, harm: Callable[[Place], None], says: str
) -> None:
    here = "/clusters/register/"
    typed = _answers(fleet.get("requester", f"{here}?tenant=tenant1"), here)
    typed |= fleet.form(
        "spoke-a", githubSecretName="git/own", server="https://a.example", use_fleet_ack="true",
        pin_addonsRelease="release1", pin_enable_metrics_server="false",
    )  # fmt: skip
    harm(fleet)
    wiring._copies.clear()
    before = fleet.refs() if fleet.bare.exists() else ""

    refused = fleet.post("requester", here, typed)

    assert refused.status_code == 422
    assert says in reading.words(refused)
    chosen = {name: value for name, value in typed.items() if value}
    assert chosen.items() <= _answers(refused, here).items()
    assert not Change.objects.filter(cluster_name="spoke-a").exists()
    assert (fleet.refs() if fleet.bare.exists() else "") == before


def test_one_broken_member_hides_no_other(fleet: Place) -> None:
    write(fleet, {f"{MEMBERS}/broken.yaml": MALFORMED})
    where = f"{MEMBERS}/broken.yaml, line 2, column 4"

    shown = {path: reading.words(fleet.get("requester", path)) for path in (
        "/", "/clusters/", "/tenants/", "/releases/", "/lint/", "/search/?q=fine", f"/clusters/{HUB}/fine/",
        f"/clusters/{HUB}/broken/", "/tenants/tenant1/")}  # fmt: skip

    assert not Cluster.objects.get(name="fine").problem
    for path in ("/clusters/", "/search/?q=fine", f"/clusters/{HUB}/fine/", "/tenants/tenant1/"):
        assert "fine" in shown[path], path
    for path in ("/", "/clusters/", "/lint/", f"/clusters/{HUB}/broken/"):
        assert where in shown[path] or "broken.yaml:2:4" in shown[path], path
    assert fleet.post("requester", "/clusters/register/", fleet.form()).status_code == 302
    assert fleet.get("requester", EDIT).status_code == 200


def test_a_broken_labels_file_stops_only_its_own_tenant(fleet: Place) -> None:
    write(fleet, {TENANT_LABELS: MALFORMED, f"{MEMBERS}/second.yaml": member("second", "tenant2")})
    assert f"{TENANT_LABELS}, line 2, column 4" in Cluster.objects.get(name="fine").problem
    assert not Cluster.objects.get(name="second").problem
    refused = fleet.post("requester", "/clusters/register/", fleet.form())
    assert f"{TENANT_LABELS}, line 2, column 4" in html.unescape(refused.content.decode())
    asked = fleet.post("requester", "/clusters/register/", fleet.form(tenant="tenant2"))
    assert asked.status_code == 302
