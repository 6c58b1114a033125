"""Double clicks, ended sessions, old forms, second tabs and wrong addresses: nothing is lost or done twice."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from onboarding.models import Approval, Change, Comment, Delivery
from tests.journey import reading
from tests.journey.conftest import Place
from tests.journey.test_access import ADDRESSES

REGISTER = "/clusters/register/"


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


def signing_in(answer, typed: str = "x"):  # type: ignore[no-untyped-def]
    """Sign in as the requester by the form that the answer shows; the browser, and what follows."""
    fields = reading.form(answer, "/login/") | {"username": "requester", "password": typed}
    client = Client()
    return client, client.post("/login/", fields, follow=True)


def test_a_second_request_of_the_same_leads_to_the_first(place: Place) -> None:
    first = place.post("requester", REGISTER, place.form())
    again = place.post("requester", REGISTER, place.form())
    assert (first.status_code, again.status_code) == (302, 302)
    assert first["Location"] == again["Location"]
    assert Change.objects.count() == 1
    assert "not sent twice" in reading.html(place.get("requester", again["Location"]))
    other = place.post("requester", REGISTER, place.form(model="distributed"))
    assert other.status_code == 422  # another answer is another request, and the name is taken


def test_a_draft_that_was_sent_twice_is_one_change_of_one_revision(place: Place) -> None:
    place.post("requester", "/clusters/register/draft/", place.form())
    draft = Change.objects.get()
    url = f"/changes/{draft.pk}/edit/"
    for _ in range(2):
        form = place.form(change=str(draft.pk), seen=str(draft.revision))
        assert place.post("requester", url, form).status_code == 302
    change = Change.objects.get()
    assert (change.state, change.revision) == ("submitted", draft.revision)


def test_a_second_approval_says_so_and_delivers_once(place: Place) -> None:
    place.post("requester", REGISTER, place.form())
    change = Change.objects.get()
    url = f"/changes/{change.pk}/approve/"
    assert place.post("approver", url, {"digest": change.plan_digest}).status_code == 302
    again = place.post("approver", url, {"digest": change.plan_digest})
    assert again.status_code == 422
    assert 'role="alert"' in reading.html(again)
    assert "approved" in reading.words(again).lower()
    assert Delivery.objects.count() == Approval.objects.count() == 1


def test_what_was_typed_outlives_the_session(place: Place) -> None:
    answer = Client().post(REGISTER, place.form("spoke-late", pin_enable_metrics_server="true"))
    assert "what you typed is kept" in reading.html(answer)
    assert not Change.objects.exists()
    _, wrong = signing_in(answer, "mistyped")
    client, page = signing_in(wrong)
    assert page.request["PATH_INFO"] == REGISTER
    assert 'value="spoke-late"' in reading.html(page)
    assert "it was not sent yet" in reading.html(page)
    assert re.search(r'id="pin_enable_metrics_server-true"[^>]* checked', reading.html(page))
    assert "spoke-late" not in reading.html(client.get(REGISTER))  # once


def test_an_unticked_box_stays_unticked(place: Place) -> None:
    place.post("requester", "/clusters/register/draft/", place.form(remote_addons="on"))
    draft = Change.objects.get()
    url = f"/changes/{draft.pk}/edit/"
    assert re.search(
        r'name="remote_addons"[^>]* checked', reading.html(place.get("requester", url))
    )
    typed = place.form(change=str(draft.pk), seen=str(draft.revision))
    place.post("requester", "/clusters/register/draft/", typed)
    assert not re.search(
        r'name="remote_addons"[^>]* checked', reading.html(place.get("requester", url))
    )


def test_a_comment_outlives_the_session(place: Place) -> None:
    place.post("requester", REGISTER, place.form())
    change = Change.objects.get()
    answer = Client().post(f"/changes/{change.pk}/comment/", {"body": "A long thought."})
    _, page = signing_in(answer)
    assert page.request["PATH_INFO"] == f"/changes/{change.pk}/"
    assert "A long thought.</textarea>" in reading.html(page)
    assert not Comment.objects.exists()


def test_a_part_that_refreshes_itself_does_not_become_the_sign_in_page(place: Place) -> None:
    for path in ("/", "/clusters/", "/clusters/register/secret/"):
        answer = Client().get(path, headers={"HX-Request": "true"})
        assert (answer.status_code, answer.content) == (401, b"")


def test_an_old_form_is_refused_in_words_and_what_was_typed_is_kept(place: Place) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="requester"))
    answer = strict.post(REGISTER, place.form("spoke-old"))
    assert answer.status_code == 403
    assert "This form is out of date" in reading.html(answer)
    assert f'href="{REGISTER}"' in reading.html(answer)
    assert 'value="spoke-old"' in reading.html(strict.get(REGISTER))
    assert not Change.objects.exists()
    stranger = Client(enforce_csrf_checks=True).post("/changes/7/approve/", {"digest": "d"})
    assert stranger.status_code == 403
    assert 'href="/changes/7/"' in reading.html(stranger)


def test_two_tabs_of_one_draft_do_not_overwrite_each_other_unseen(place: Place) -> None:
    place.post("requester", "/clusters/register/draft/", place.form("first-words"))
    draft = Change.objects.get()
    page = place.get("requester", f"/changes/{draft.pk}/edit/")
    seen = reading.form(page, f"/changes/{draft.pk}/edit/")["seen"]
    for tab, status in (("one-tab", 302), ("other-tab", 422)):
        form = place.form(tab, change=str(draft.pk), seen=seen)
        answer = place.post("requester", "/clusters/register/draft/", form)
        assert answer.status_code == status
    draft.refresh_from_db()
    assert draft.form_data["cluster"] == "one-tab"
    assert "saved in another tab" in reading.html(answer)
    assert 'value="other-tab"' in reading.html(answer)
    sent = place.post("requester", f"/changes/{draft.pk}/edit/", form)
    assert (sent.status_code, Change.objects.get().state) == (422, "draft")
    again = reading.form(answer, f"/changes/{draft.pk}/edit/")["seen"]
    form = place.form("other-tab", change=str(draft.pk), seen=again)
    assert place.post("requester", "/clusters/register/draft/", form).status_code == 302


WRONG = (
    "/nowhere/",
    "/changes/999999/",
    "/changes/99999999999999999999999/",
    "/changes/999999/edit/",
    "/changes/999999/evidence.json",
    "/clusters/no-hub/no-cluster/",
    "/clusters/no-hub/no-cluster/edit/",
    "/clusters/a/b/c/",
    "/tenants/nobody/",
    "/admin/fleets/nobody/",
    "/admin/fleets/adopt/999999/",
    "/admin/hubs/nobody/",
)
WRONG_POSTS = (
    *(
        path.format(change=change)
        for name, path in ADDRESSES.items()
        if "{change}" in path and name not in ("change-detail", "change-edit", "change-evidence")
        for change in (999999, 99999999999999999999999)
    ),
    "/admin/fleets/nobody/test/",
    "/admin/hubs/nobody/test/",
    "/admin/fleets/adopt/999999/confirm/",
)


def test_every_address_with_a_wrong_name_gets_a_page_in_our_words(place: Place) -> None:
    found = {}
    everybody = [*place.clients.values()]
    for path in WRONG:
        for client in everybody:
            answer = client.get(path)
            if answer.status_code != 403:  # a right that is missing is asked for first
                found[path] = (answer.status_code, "There is no such page" in reading.html(answer))
    assert set(found) == set(WRONG)
    assert set(found.values()) == {(404, True)}, found
    for path in WRONG_POSTS:
        statuses = {client.post(path, {}).status_code for client in everybody}
        assert 404 in statuses, path
        assert statuses <= {403, 404}, path


def test_every_query_of_a_list_may_be_nonsense(place: Place) -> None:
    nonsense = (
        "?page=x&sort=;&state=no&stage=%00&in_fleet=%F0&delivery=&q=%00'\"&tab=no&inbox=no&fleet=no"
    )
    for path in ("/", "/clusters/", "/changes/", "/lint/", "/search/", "/values/", "/system/"):
        assert place.get("viewer", path + nonsense).status_code == 200, path


def test_an_address_that_is_only_posted_to_says_where_its_form_is(place: Place) -> None:
    place.post("requester", REGISTER, place.form())
    change = Change.objects.get()
    for path, page in (
        (f"/changes/{change.pk}/approve/", f"/changes/{change.pk}/"),
        ("/clusters/register/draft/", REGISTER),
        ("/admin/hubs/hub-cluster/test/", "/admin/hubs/hub-cluster/"),
    ):
        answer = place.get("administrator", path)
        assert answer.status_code == 405
        assert answer["Allow"]
        assert f'href="{page}"' in reading.html(answer)


def test_a_missing_right_and_a_fault_of_ours_are_pages_in_words(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = place.get("viewer", REGISTER)
    assert denied.status_code == 403
    assert "You may not do this" in reading.html(denied)
    assert "Ask an administrator" in reading.html(denied)
    monkeypatch.setattr("onboarding.views.overview._page", lambda *_: 1 / 0)
    client = place.clients["viewer"]
    client.raise_request_exception = False
    broken = client.get("/")
    assert broken.status_code == 500
    assert "Something broke on our side" in reading.html(broken)
    assert "plain.css" in reading.html(broken)
    assert "ZeroDivisionError" not in reading.html(broken)
