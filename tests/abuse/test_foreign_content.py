"""What others put into the repository, the hub and AWS's answers: shown as text, in every page and export."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from onboarding import tasks
from onboarding.domain.errors import Transient
from onboarding.models import ApplicationStatus, Cluster, Fleet, Hub, HubWatch
from onboarding.services.observing import hub_text
from tests import repositories
from tests.abuse import corpus, pages
from tests.journey.conftest import HUB, Place

MEMBERS = f"fleet/fleet-bootstrap/fleet-members/{HUB}"
LABELS = "addons/tenants/tenant1/defaults/fleet/fleet-secret/values.yaml"
VALUES = "addons/tenants/tenant1/defaults/metrics-server/values.yaml"
KEYS = ("tenant", "clusterName", "environment", "secretManagerSecretName", "addons_repo_basepath",
        "use_remote_argo", "an_unknown_key")  # fmt: skip
PAGES = ("/", "/clusters/", "/clusters/?page=2", "/clusters/?q=<script>", "/applications/",
         "/applications/?page=2", "/tenants/", "/tenants/tenant1/", "/releases/", "/changes/", "/lint/",
         "/search/?q=script", "/search/?q=onerror", "/values/?q=alert", "/system/", "/plan/?rev=main",
         f"/clusters/{HUB}/fine/", f"/clusters/{HUB}/fine/?tab=labels", f"/clusters/{HUB}/fine/?tab=values",
         f"/clusters/{HUB}/fine/?tab=values&component=metrics-server",
         f"/clusters/{HUB}/fine/?tab=history", f"/clusters/{HUB}/fine/?tab=files",
         f"/clusters/{HUB}/fine/edit/", "/clusters/register/?tenant=tenant1",
         f"/layers/edit/?file={LABELS}&tenant=tenant1", f"/layers/edit/?file={VALUES}&tenant=tenant1",
         "/layers/edit/?tenant=tenant1", "/bulk/edit/")  # fmt: skip
EXPORTS = ("/clusters/export.csv", "/applications/export.csv", "/clusters/export.json",
           "/applications/export.json", "/lint/report.json", "/lint/report.sarif")  # fmt: skip


def member(**changed: str) -> str:
    said = {
        "tenant": "tenant1", "clusterName": "fine", "environment": "dev",
        "secretManagerSecretName": "fleet/fine", "use_remote_argo": "false",
        "enable_remote_resources": "false", "enable_remote_addons": "false",
    } | changed  # fmt: skip
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in said.items())


def as_path(text: str) -> bool:
    """Whether Git and its fast-import take it for a part of a path."""
    is_plain = text.isprintable() and not text.startswith('"') and len(text) < 200
    return is_plain and not {"", ".", "..", ".git"} & {part.lower() for part in text.split("/")}


@pytest.fixture
def fleet(place: Place) -> Place:
    """A fleet in which every string stands somewhere, beside one cluster with which all is well."""
    files: dict[str, str | bytes | None] = {f"{MEMBERS}/fine.yaml": member()}
    for number, text in enumerate(corpus.sample(14)):
        key = KEYS[number % len(KEYS)]
        files[f"{MEMBERS}/c-{number}.yaml"] = member(**{"clusterName": f"c-{number}", key: text})
        if as_path(text):
            files[f"{MEMBERS}/{text}.yaml"] = member(clusterName=f"d-{number}")
            files[f"addons/tenants/{text}/defaults/fleet/fleet-secret/values.yaml"] = "a: b\n"
    html = corpus.GROUPS["html"]
    labels = {f"key-{number}": text for number, text in enumerate(html)}
    described = {"externalSecret": {"labels": labels | {html[0]: "x"}, "annotations": labels}}
    files[LABELS] = json.dumps(described)
    files[VALUES] = json.dumps({"controller": {"args": list(html), **dict.fromkeys(html, "x")}})
    repositories.commit(
        place.bare, files, message="\n".join(html), author="' onmouseover='alert(1) <a@example.com>"
    )
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    hub, now = Hub.objects.get(), datetime.now(UTC)
    HubWatch.objects.create(hub=hub, seen_at=now)
    for number, text in enumerate((*html, *corpus.GROUPS["formulas"], *corpus.GROUPS["unicode"])):
        said = hub_text.text(text)
        ApplicationStatus.objects.create(
            hub=hub, uid=str(number), name=said[:200] or "x", component=said[:100], verdict="degraded",
            cluster_name="fine", reason=said, first_seen_at=now, seen_at=now,
        )  # fmt: skip
    tasks.refresh_standings()
    return place


def test_every_page_shows_it_as_text(fleet: Place) -> None:
    assert Cluster.objects.count() > 100
    for path in PAGES:
        answer = fleet.get("requester", path)
        assert answer.status_code == 200, path
        assert not pages.problems(answer.content.decode()), path
    shown = "".join(
        pages.text_of(fleet.get("requester", path).content.decode())
        for path in (f"/clusters/{HUB}/fine/?tab=labels", f"/clusters/{HUB}/fine/", "/lint/")
    )
    # It is there, and it is text.
    for text in ("<script>alert(1)</script>", "<svg onload=alert(1)>", "javascript:alert(1)"):
        assert text in shown
    odd = Cluster.objects.exclude(problem="").order_by("pk")
    for row in odd[::40]:
        answer = fleet.clients["viewer"].get(f"/clusters/{row.hub_name}/{row.name}/")
        assert answer.status_code in (200, 404)
        assert not pages.problems(answer.content.decode())


def test_every_export_is_data(fleet: Place) -> None:
    for path in EXPORTS:
        answer = fleet.get("viewer", path)
        content = (
            b"".join(answer.streaming_content)  # type: ignore[attr-defined]
            if answer.streaming
            else answer.content
        ).decode()
        assert "attachment" in answer["Content-Disposition"], path
        assert answer["X-Content-Type-Options"] == "nosniff"
        if path.endswith(".csv"):
            rows = list(csv.reader(io.StringIO(content)))
            assert len(rows) > 20
            assert not any(
                cell[:1] in {*"=+-@\t\r＝＋－＠"} for row in rows for cell in row if cell
            )
        else:
            json.loads(content)


def test_what_aws_says_is_text_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in corpus.GROUPS["html"]:

        def describe(name: str, said: str = text) -> None:
            raise Transient(said)

        monkeypatch.setattr(place.secrets, "describe", describe)
        for path in (f"/clusters/register/secret/?hub={HUB}&secret_name=fleet/x",):
            answer = place.get("requester", path)
            assert answer.status_code == 200
            assert not pages.problems(answer.content.decode()), corpus.shown(text)
