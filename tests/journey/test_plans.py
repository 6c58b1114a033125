"""How the database answers the large lists: by which index, and how often it passes over all clusters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from onboarding import wiring
from onboarding.models import Cluster, Fleet, Hub, Standing
from onboarding.services.observing.components import components
from tests.fakes import MemoryRemote, MemoryRepository
from tests.journey.conftest import signed_in
from tests.journey.test_lists_at_size import FILES, fill

pytestmark = pytest.mark.django_db

CLUSTERS = 200
# What each page needs so that it does not read all rows.
INDEXES = {
    "/clusters/?page=3": {"standings_in_order"},
    "/releases/?page=3": {"standings_in_order"},
    "/search/?q=nothing-at-all": {"applications_by_name", "applications_by_component"},
    "/applications/": {"applications_counted", "applications_in_order"},
}
# How often each page looks at the standings of the whole fleet: counted once, and what it shows.
LOOKS = {
    "/": 2,
    "/clusters/": 3,
    "/clusters/?state=healthy&tenant=tenant-0&q=spoke&sort=-applications": 3,
    "/clusters/?page=3": 3,
    "/releases/": 4,
    "/tenants/": 1,
    "/tenants/tenant-0/": 4,
}


@pytest.fixture
def approver(monkeypatch: pytest.MonkeyPatch) -> Client:
    """An approver of a fleet of some clusters."""
    repository = MemoryRepository(MemoryRemote(FILES))
    repository.fetch()
    monkeypatch.setattr(wiring, "current_repository", lambda fleet, **_: repository)
    fleet = Fleet.objects.create(name="platform", repository_url="https://git.example.com/f")
    fill(fleet, Hub.objects.create(fleet=fleet, name="hub-a"), CLUSTERS)
    return signed_in(User.objects.get(username="approver"))


@pytest.fixture
def in_earnest(approver: Client) -> Iterator[None]:
    """PostgreSQL reads a small table as a whole whatever index there is: here it plans as for a large one."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute(
            "SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off"
        )
        yield
        cursor.execute("RESET enable_seqscan; RESET enable_sort; RESET enable_bitmapscan")


def asked(client: Client, path: str) -> list[str]:
    """The statements that read for a page, when what is kept for long is known."""
    client.get(path)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    statements = [query["sql"] for query in captured.captured_queries]
    return [each for each in statements if each.lstrip().startswith(("SELECT", "WITH"))]


def plan_of(statement: str) -> str:
    """How the database would answer a statement."""
    explain = "EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
    with connection.cursor() as cursor:
        cursor.execute(explain + statement)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


@pytest.mark.usefixtures("in_earnest")
@pytest.mark.parametrize("path", INDEXES)
def test_it_asks_what_an_index_answers(approver: Client, path: str) -> None:
    if path == "/applications/" and connection.vendor == "postgresql":
        pytest.skip("PostgreSQL reads a few hundred rows by whichever index")
    plans = "\n".join(map(plan_of, asked(approver, path)))
    assert {name for name in INDEXES[path] if name not in plans} == set(), plans


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite knows no value beforehand")
@pytest.mark.usefixtures("in_earnest")
def test_it_knows_by_an_index_that_every_member_can_be_read(approver: Client) -> None:
    statements = [each for each in asked(approver, "/clusters/") if '"problem" >' in each]
    assert [("clusters_with_a_problem" in plan_of(each)) for each in statements] == [True]


@pytest.mark.parametrize("path", LOOKS)
def test_it_passes_over_the_clusters_once_for_all_numbers(approver: Client, path: str) -> None:
    table = f'FROM "{Standing._meta.db_table}"'
    looks = [each for each in asked(approver, path) if table in each]
    assert len(looks) <= LOOKS[path], "\n".join(looks)


def test_it_says_what_cannot_be_read_by_one_question_where_there_is_little(
    approver: Client,
) -> None:
    Cluster.objects.filter(name="spoke-001").update(problem="spoke-001.yaml cannot be read.")
    statements = [each for each in asked(approver, "/clusters/") if '"problem" >' in each]
    assert len(statements) == 1
    assert approver.get("/clusters/").context["page"].problems == (
        "spoke-001.yaml cannot be read.",
    )


def test_it_names_the_components_by_one_question(approver: Client) -> None:
    from onboarding.models import ApplicationStatus

    assert components() == []
    rows = ApplicationStatus.objects.order_by("pk")
    for number, component in enumerate(["b", "a", "c", "a"]):
        rows.filter(name__endswith=f"spoke-00{number}").update(component=component)
    with CaptureQueriesContext(connection) as captured:
        assert components() == ["a", "b", "c"]
    assert len(captured) == 1
