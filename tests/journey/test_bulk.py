"""Many clusters at once: by CSV or by the list's filter, decided on once, a commit each."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext

from onboarding import tasks, wiring
from onboarding.automation import bulk_checks
from onboarding.domain.bulk_csv import MOST_CLUSTERS
from onboarding.domain.errors import Transient
from onboarding.models import (
    Approval,
    Bulk,
    BulkRow,
    Change,
    Cluster,
    Delivery,
    Event,
    Fleet,
    Standing,
)
from onboarding.services import bulks
from tests import repositories
from tests.journey.conftest import HUB, Place

HEAD = "hub,cluster,tenant,environment,secret_name,addonsRelease,enable_metrics_server"


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


def line(place: Place, name: str, *, secret: str = "", rest: str = "default,true") -> str:
    place.secrets.add(secret or f"fleet/{name}")
    return f"{HUB},{name},tenant1,dev,{secret or f'fleet/{name}'},{rest}"


def send(
    place: Place, *lines: str, who: str = "requester", path: str = "/bulk/register/"
) -> HttpResponse:
    return place.post(who, path, {"title": "New spokes", "text": "\n".join([HEAD, *lines])})


def check() -> None:
    while bulk_checks.check_due(most=25):
        pass


def results(bulk: Bulk) -> dict[str, str]:
    return dict(bulks.with_results(bulk.rows.all()).values_list("cluster_name", "result"))


def decide(place: Place, bulk: Bulk, verb: str = "approve", who: str = "approver") -> HttpResponse:
    page = place.get(who, f"/bulk/{bulk.pk}/").context["page"]
    digest = page.decision.digest
    return place.post(who, f"/bulk/{bulk.pk}/{verb}/", {"digest": digest, "reason": "As agreed."})


@pytest.fixture
def asked(place: Place) -> Bulk:
    """Three lines, one of them with a tenant that cannot be, all checked."""
    bad = line(place, "spoke-c").replace("tenant1", "Tenant One")
    answer = send(place, line(place, "spoke-a"), line(place, "spoke-b"), bad)
    assert answer.status_code == 302, answer.content.decode()[-2000:]
    check()
    return Bulk.objects.get()


def test_what_can_be_done_is_planned_and_what_cannot_says_why(place: Place, asked: Bulk) -> None:
    assert asked.state == "proposed"
    assert results(asked) == {"spoke-a": "submitted", "spoke-b": "submitted", "spoke-c": "refused"}
    page = place.get("viewer", f"/bulk/{asked.pk}/").content.decode()
    assert "<code>tenant</code>:" in page
    assert "1 cannot be done" in page
    row = asked.rows.get(cluster_name="spoke-a")
    assert row.change is not None
    pinned = {key: value for key, value in row.change.intent["pins"].items() if value}
    assert pinned == {
        "addonsRelease": "default",
        "enable_metrics_server": "true",
    }
    refused = place.get("viewer", f"/bulk/{asked.pk}/?result=refused").context["page"].rows
    assert [(one.cluster, one.line) for one in refused] == [("spoke-c", 4)]


def test_one_approval_makes_a_commit_of_each(
    place: Place, asked: Bulk, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    before = repositories.tip(place.bare)
    with django_capture_on_commit_callbacks(execute=True):
        answer = decide(place, asked)
    assert answer.status_code == 302
    tasks.deliver(fleet_id=asked.fleet_id)
    tasks.deliver(fleet_id=asked.fleet_id)
    commits = repositories.git(place.bare, "log", "--format=%s", f"{before}..main").splitlines()
    assert sorted(commits) == [f"Register cluster spoke-{one} on hub {HUB}" for one in "ab"]
    assert results(asked) == {"spoke-a": "committed", "spoke-b": "committed", "spoke-c": "refused"}
    page = place.get("viewer", f"/bulk/{asked.pk}/").context["page"]
    assert page.sentence.startswith("2 of 3 are in Git.")
    assert (page.checked, page.settled) == (3, 3)
    assert list(Event.objects.filter(verb__startswith="bulk.").values_list("verb", flat=True)) == [
        "bulk.requested",
        "bulk.checked",
        "bulk.approved",
    ]


def test_corrected_lines_take_the_place_of_what_was_refused(
    place: Place, asked: Bulk, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        decide(place, asked)
    made = set(Change.objects.values_list("pk", flat=True))
    rows = (line(place, f"spoke-{one}") for one in "abcd")
    send(place, *rows, path=f"/bulk/{asked.pk}/correct/")
    check()
    assert results(asked) | {"spoke-d": "submitted"} == {
        "spoke-a": "queued",
        "spoke-b": "queued",
        "spoke-c": "submitted",
        "spoke-d": "submitted",
    }
    assert made < set(Change.objects.values_list("pk", flat=True))
    assert Change.objects.count() == 4
    asked.refresh_from_db()
    assert asked.state == "proposed"
    with django_capture_on_commit_callbacks(execute=True):
        decide(place, asked)
    tasks.deliver(fleet_id=asked.fleet_id)
    assert set(results(asked).values()) == {"committed"}


@pytest.mark.parametrize("by", ["the file of what was refused", "the whole file", "its secret"])
def test_a_wrong_name_is_corrected_and_leaves_nothing_behind(place: Place, by: str) -> None:
    right, wrong = line(place, "spoke-a"), line(place, "Spoke_B", secret="fleet/spoke-b")
    send(place, right, wrong)
    check()
    bulk = Bulk.objects.get()
    assert results(bulk) == {"spoke-a": "submitted", "Spoke_B": "refused"}
    path = f"/bulk/{bulk.pk}/correct/"
    mended = wrong.replace("Spoke_B", "spoke-b")
    if by == "its secret":
        send(place, mended, path=path)
    elif by == "the whole file":
        place.secrets.add("fleet/better")
        send(place, right, mended.replace("fleet/spoke-b", "fleet/better"), path=path)
    else:
        answer = place.get("requester", f"/bulk/{bulk.pk}/refused.csv")
        text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
        place.secrets.add("fleet/better")
        text = text.replace("Spoke_B", "spoke-b").replace("fleet/spoke-b", "fleet/better")
        place.post("requester", path, {"text": text})
    check()
    assert results(bulk) == {"spoke-a": "submitted", "spoke-b": "submitted"}
    assert list(bulk.rows.values_list("number", flat=True)) == [2, 3]
    page = place.get("requester", f"/bulk/{bulk.pk}/").content.decode()
    assert "cannot be done" not in page


def test_nobody_approves_their_own(place: Place, asked: Bulk) -> None:
    page = place.get("requester", f"/bulk/{asked.pk}/").context["page"]
    assert page.decision.approve_url == ""
    digest = bulks.digest_of(asked)
    answer = place.post("requester", f"/bulk/{asked.pk}/approve/", {"digest": digest})
    assert answer.status_code == 403
    assert not Delivery.objects.exists()


def test_what_was_not_shown_is_not_approved(place: Place, asked: Bulk) -> None:
    seen = bulks.digest_of(asked)
    row = asked.rows.get(cluster_name="spoke-b")
    assert row.change is not None
    form = place.form("spoke-b", secret_name="fleet/spoke-b", environment="prod")
    place.post("requester", f"/changes/{row.change.pk}/edit/", form)
    answer = place.post(
        "approver", f"/bulk/{asked.pk}/approve/", {"digest": seen, "reason": "Looks good."}
    )
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "The plan has changed since you opened the page" in page
    assert "Looks good." in page
    assert not Delivery.objects.exists()
    assert Counter(results(asked).values())["submitted"] == 2


def test_a_row_that_somebody_else_decided_on_is_left_out(
    place: Place, asked: Bulk, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    row = asked.rows.get(cluster_name="spoke-b")
    assert row.change is not None
    place.get("approver", f"/changes/{row.change.pk}/")
    row.change.refresh_from_db()
    place.post(
        "approver",
        f"/changes/{row.change.pk}/reject/",
        {"digest": row.change.plan_digest, "reason": "Not this one."},
    )
    with django_capture_on_commit_callbacks(execute=True):
        decide(place, asked)
    assert results(asked) == {"spoke-a": "queued", "spoke-b": "rejected", "spoke-c": "refused"}


def test_all_or_nothing_is_approved(
    place: Place, asked: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where what follows the last row fails, when all of them are written."""

    def fails(*_: Any, **__: Any) -> None:
        assert Delivery.objects.count() == 2
        raise bulks.Refused("Somebody else decided on this change a moment ago.", code="raced")

    monkeypatch.setattr(bulks.approvals.events, "record_all", fails)
    assert decide(place, asked).status_code == 422
    assert not Delivery.objects.exists()
    assert not Approval.objects.exists()
    assert Counter(results(asked).values())["submitted"] == 2


def test_it_is_rejected_or_withdrawn_as_a_whole(place: Place, asked: Bulk) -> None:
    page = place.get("approver", f"/bulk/{asked.pk}/").context["page"]
    answer = place.post(
        "approver", f"/bulk/{asked.pk}/reject/", {"digest": page.decision.digest, "reason": ""}
    )
    assert answer.status_code == 422
    place.post("requester", f"/bulk/{asked.pk}/withdraw/", {})
    asked.refresh_from_db()
    assert asked.state == "withdrawn"
    assert Counter(results(asked).values()) == {"withdrawn": 2, "refused": 1}
    assert place.get("requester", f"/bulk/{asked.pk}/").status_code == 200


def test_nothing_is_checked_after_it_was_withdrawn(place: Place) -> None:
    send(place, line(place, "spoke-a"))
    bulk = Bulk.objects.get()
    place.post("requester", f"/bulk/{bulk.pk}/withdraw/", {})
    check()
    assert not Change.objects.exists()


def test_a_worker_that_dies_is_followed_and_no_row_is_asked_twice(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(place, line(place, "spoke-a"), line(place, "spoke-b"))
    bulk = Bulk.objects.get()
    real = bulks.bind

    def dies(row: BulkRow, change: Change) -> None:
        real(row, change)
        raise KeyboardInterrupt

    monkeypatch.setattr(bulks, "bind", dies)
    with pytest.raises(KeyboardInterrupt):
        bulk_checks.check_due(most=1)
    monkeypatch.setattr(bulks, "bind", real)
    assert not Change.objects.exists()
    check()
    assert results(bulk) == {"spoke-a": "unchecked", "spoke-b": "submitted"}
    later = bulk.rows.get(cluster_name="spoke-a").due_at + timedelta(seconds=1)
    assert later - wiring.clock().now() > timedelta(seconds=60)
    BulkRow.objects.filter(is_checked=False).update(due_at=wiring.clock().now())
    check()
    assert set(results(bulk).values()) == {"submitted"}
    assert Change.objects.count() == 2


def test_what_is_away_is_asked_again_later(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    send(place, line(place, "spoke-a"))
    bulk = Bulk.objects.get()
    real = bulk_checks.asking.register

    def away(**_: Any) -> Change:
        raise Transient("The remote does not answer.")

    monkeypatch.setattr(bulk_checks.asking, "register", away)
    check()
    assert results(bulk) == {"spoke-a": "unchecked"}
    assert "It is tried again" in place.get("viewer", f"/bulk/{bulk.pk}/").content.decode()
    monkeypatch.setattr(bulk_checks.asking, "register", real)
    BulkRow.objects.update(due_at=wiring.clock().now())
    check()
    assert results(bulk) == {"spoke-a": "submitted"}
    assert bulk.rows.get().problems == []


def test_a_row_that_nobody_foresaw_holds_up_no_other(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(place, line(place, "spoke-a"), line(place, "spoke-b"))
    real = bulk_checks.asking.register

    def odd(**said: Any) -> Change:
        if said["answers"].fields["cluster"] == "spoke-a":
            raise ZeroDivisionError
        return real(**said)

    monkeypatch.setattr(bulk_checks.asking, "register", odd)
    check()
    bulk = Bulk.objects.get()
    assert bulk.state == "proposed"
    assert results(bulk) == {"spoke-a": "refused", "spoke-b": "submitted"}


def test_lines_that_collide_with_what_is_there_say_with_what(place: Place, asked: Bulk) -> None:
    send(
        place,
        line(place, "spoke-a", secret="fleet/other"),
        line(place, "spoke-e", secret="fleet/spoke-b"),
    )
    check()
    rows = {row.cluster_name: row.problems for row in Bulk.objects.first().rows.all()}  # type: ignore[union-attr]
    assert rows["spoke-a"][0][0] == "cluster"
    assert "which is still open" in rows["spoke-a"][0][1]
    assert rows["spoke-e"][0][0] == "secret_name"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Choose a file or paste its lines"),
        ("cluster\nx", "lacks hub"),
        (f"{HEAD}\n", "no cluster below the head"),
        ("<script>alert(1)</script>,b\nx,y", "no name of a column"),
    ],
)
def test_a_file_that_cannot_be_used_is_kept_and_said(place: Place, text: str, said: str) -> None:
    answer = place.post("requester", "/bulk/register/", {"title": "Mine", "text": text})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert said in page
    assert 'value="Mine"' in page
    assert "<script>alert" not in page
    assert not Bulk.objects.exists()


def test_a_file_is_as_good_as_pasted_lines(place: Place) -> None:
    text = "\ufeff" + "\r\n".join([HEAD, line(place, "spoke-a")]).replace(",", ";")
    file = SimpleUploadedFile("clusters.csv", text.encode(), content_type="text/csv")
    answer = place.clients["requester"].post("/bulk/register/", {"title": "", "file": file})
    assert answer.status_code == 302
    check()
    bulk = Bulk.objects.get()
    assert results(bulk) == {"spoke-a": "submitted"}
    assert bulk.title == "Register clusters: 1"


def test_hostile_cells_stay_words(place: Place) -> None:
    rows = [
        f'{HUB},"<img src=x onerror=alert(1)>",tenant1,dev,fleet/x,default,true',
        f'{HUB},"=HYPERLINK(""https://evil.example"")",tenant1,dev,fleet/y,default,true',
        f'{HUB},spoke-z,"{{{{ .Values }}}}",dev,fleet/z,default,true',
    ]
    send(place, *rows)
    check()
    bulk = Bulk.objects.get()
    page = place.get("viewer", f"/bulk/{bulk.pk}/").content.decode()
    assert "<img src=x" not in page
    assert set(results(bulk).values()) == {"refused"}
    answer = place.get("viewer", f"/bulk/{bulk.pk}/refused.csv")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert any("https://evil.example" in cell for cell in cells)


def test_a_label_that_nothing_offers_is_said_at_its_column(place: Place) -> None:
    send(place, line(place, "spoke-a", rest="nightly,true"))
    check()
    problems = dict(Bulk.objects.get().rows.get().problems)
    assert problems["addonsRelease"] == (
        "nightly is no release channel of this group. There is: default, release1. "
        "Empty inherits it."
    )


@pytest.mark.parametrize(
    ("head", "cell", "said"),
    [
        ("enable_metrics_server", "maybe", "maybe is neither true nor false."),
        ("use_fleet_ack", "perhaps", "perhaps is neither true nor false."),
        ("model", "hybrid", "hybrid is neither centralized nor distributed."),
        ("hub", "nowhere", "No hub called nowhere is configured for this fleet."),
    ],
)
def test_a_choice_that_is_none_is_said_at_its_column_in_words(
    place: Place, head: str, cell: str, said: str
) -> None:
    values = {
        "hub": HUB,
        "cluster": "spoke-a",
        "tenant": "tenant1",
        "environment": "dev",
        "secret_name": "fleet/spoke-a",
        head: cell,
    }
    place.secrets.add("fleet/spoke-a")
    text = "\n".join((",".join(values), ",".join(values.values())))
    place.post("requester", "/bulk/register/", {"text": text})
    check()
    problems = dict(Bulk.objects.get().rows.get().problems)
    assert said in problems[head]
    assert "Select a valid choice" not in str(problems)


def test_the_template_is_what_the_form_takes(place: Place) -> None:
    answer = place.get("requester", "/bulk/template.csv")
    head = b"".join(answer.streaming_content).decode().strip()  # type: ignore[attr-defined]
    place.secrets.add("fleet/spoke-a")
    row = f"{HUB},spoke-a,tenant1,dev,fleet/spoke-a"
    place.post("requester", "/bulk/register/", {"text": f"{head}\n{row}"})
    check()
    assert results(Bulk.objects.get()) == {"spoke-a": "submitted"}


def test_the_same_is_asked_of_all_that_a_filter_leaves(
    place: Place, asked: Bulk, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        decide(place, asked)
    tasks.deliver(fleet_id=asked.fleet_id)
    tasks.refresh_fleet(fleet_id=asked.fleet_id)
    tasks.refresh_standings()
    assert "/bulk/edit/?q=spoke" in place.get("requester", "/clusters/?q=spoke").content.decode()
    page = place.get("requester", "/bulk/edit/?q=spoke").context["page"]
    assert [one.name for one in page.clusters] == ["spoke-a", "spoke-b"]
    first, second = Cluster.objects.order_by("name")
    nothing = place.post("requester", "/bulk/edit/?q=spoke", {"cluster": str(first.pk)})
    assert nothing.status_code == 422
    assert "Choose at least one thing" in nothing.content.decode()
    nobody = place.post("requester", "/bulk/edit/?q=spoke", {"pin_enable_metrics_server": "false"})
    assert "Choose at least one cluster" in nobody.content.decode()
    answer = place.clients["requester"].post(
        "/bulk/edit/?q=spoke",
        {"pin_enable_metrics_server": "false", "cluster": [str(first.pk), str(second.pk)]},
    )
    assert answer.status_code == 302
    check()
    bulk = Bulk.objects.get(kind="edit")
    assert results(bulk) == {"spoke-a": "submitted", "spoke-b": "submitted"}
    for row in bulk.rows.all():
        assert row.change is not None
        (edit,) = row.change.plan["edits"]
        assert '-    enable_metrics_server: "true"' in row.change.plan["patch"]
        assert '+    enable_metrics_server: "false"' in row.change.plan["patch"]
        assert row.cluster_name in edit["path"]


def test_other_labels_are_asked_of_many_and_survive_an_edit_of_one(
    place: Place, asked: Bulk, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        decide(place, asked)
    tasks.deliver(fleet_id=asked.fleet_id)
    tasks.refresh_fleet(fleet_id=asked.fleet_id)
    tasks.refresh_standings()
    clusters = [str(pk) for pk in Cluster.objects.order_by("name").values_list("pk", flat=True)]

    def ask(labels: str) -> HttpResponse:
        sent = {"labels": labels, "cluster": clusters}
        return place.clients["requester"].post("/bulk/edit/?q=spoke", sent)  # type: ignore[return-value]

    for wrong, said in (
        ("team", "Line 1 is not of the form"),
        ("\nteam=a\nteam=b", "Line 3: team is there twice"),
        ("enable_metrics_server=true", "chosen among the channels and flags"),
        ("addonsRelease=x", "chosen among the channels and flags"),
        ("fleet_member=spoke", "Line 1: "),
        ("team={{ x }}", "Line 1: "),
        ("", "Choose at least one thing"),
    ):
        answer = ask(wrong)
        assert answer.status_code == 422, wrong
        assert said in answer.content.decode(), wrong
        assert wrong.strip().replace("{", "{") in answer.content.decode()
    assert not Bulk.objects.filter(kind="edit").exists()
    assert ask("team=payments\n\n cost-center = 42 \n").status_code == 302
    check()
    bulk = Bulk.objects.get(kind="edit")
    assert results(bulk) == {"spoke-a": "submitted", "spoke-b": "submitted"}
    first = bulk.rows.get(cluster_name="spoke-a").change
    assert first is not None
    assert '+    team: "payments"' in first.plan["patch"]
    assert '+    cost-center: "42"' in first.plan["patch"]

    # Who edits one of them by its form, which shows channels and flags alone, loses no label.
    form = {"model": "centralized", "pin_addonsRelease": "default"}
    form["pin_enable_metrics_server"] = "true"
    answer = place.post("requester", f"/changes/{first.pk}/edit/", form)
    assert answer.status_code == 302, answer.content.decode()[-500:]
    first.refresh_from_db()
    assert first.revision == 2
    assert '+    team: "payments"' in first.plan["patch"]
    with django_capture_on_commit_callbacks(execute=True):
        decide(place, bulk)
    tasks.deliver(fleet_id=bulk.fleet_id)
    assert set(results(bulk).values()) == {"committed"}
    assert ask("team=").status_code == 302
    check()
    away = Bulk.objects.filter(kind="edit").latest("pk").rows.first()
    assert away is not None
    assert away.change is not None
    assert '-    team: "payments"' in away.change.plan["patch"]


def test_pages_ask_few_questions_however_many_rows(
    place: Place, asked: Bulk, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    now = wiring.clock().now()
    BulkRow.objects.bulk_create(
        BulkRow(
            bulk=asked,
            number=100 + n,
            cluster_name=f"x-{n}",
            is_checked=True,
            problems=[["", "No."]],
            due_at=now,
        )
        for n in range(300)
    )
    with django_assert_max_num_queries(22):
        page = place.get("approver", f"/bulk/{asked.pk}/").context["page"]
    assert len(page.rows) == 50
    assert page.total == 303
    for _ in range(30):
        Bulk.objects.create(
            fleet=asked.fleet, kind="register", title="x", requester=asked.requester, created_at=now
        )
    with django_assert_max_num_queries(12):
        place.get("viewer", "/bulk/")


def test_as_many_are_ticked_at_once_as_one_file_may_have(place: Place) -> None:
    fleet, now = Fleet.objects.get(), wiring.clock().now()
    names = [f"spoke-{number:04}" for number in range(MOST_CLUSTERS + 1)]
    clusters = Cluster.objects.bulk_create(
        Cluster(
            fleet=fleet,
            path=f"{name}.yaml",
            hub_name=HUB,
            name=name,
            tenant="tenant1",
            environment="dev",
        )
        for name in names
    )
    Standing.objects.bulk_create(
        Standing(
            fleet=fleet,
            cluster=cluster,
            hub_name=HUB,
            name=cluster.name,
            tenant="tenant1",
            environment="dev",
            state="healthy",
            computed_at=now,
        )
        for cluster in clusters
    )
    page = place.get("requester", "/bulk/edit/").context["page"]
    assert len(page.clusters) == MOST_CLUSTERS
    answer = place.clients["requester"].post(
        "/bulk/edit/",
        {
            "pin_enable_metrics_server": "true",
            "cluster": [str(one.value) for one in page.clusters],
        },
    )
    assert answer.status_code == 302
    assert Bulk.objects.get().rows.count() == MOST_CLUSTERS


def test_another_fleets_bulk_does_not_exist(place: Place) -> None:
    assert place.get("viewer", "/bulk/4711/").status_code == 404
    assert place.post("requester", "/bulk/4711/withdraw/", {}).status_code == 404


def test_a_further_row_costs_few_questions(place: Place) -> None:
    """Six of them are savepoints, which are there as the test is one transaction."""
    counted = []
    for some in ("ab", "cdefgh"):
        send(place, *(line(place, f"spoke-{one}") for one in some))
        with CaptureQueriesContext(connection) as asked:
            bulk_checks.check_due(most=25)
        counted.append(len(asked))
    assert Change.objects.count() == 8
    assert (counted[1] - counted[0]) / 4 <= 18


def test_two_rows_of_one_round_never_share_a_secret(place: Place) -> None:
    """Written in two ways, which the file does not tell apart."""
    arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:fleet/spoke-a-AbCdEf"
    send(place, line(place, "spoke-a"), line(place, "spoke-b", secret=arn))
    check()
    assert results(Bulk.objects.get()) == {"spoke-a": "submitted", "spoke-b": "refused"}
