"""The loops that observe a hub, against a hub that misbehaves over real HTTP."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.db import DatabaseError

from onboarding.adapters.hub_access import HubAccess, NoToken
from onboarding.adapters.kubernetes_hub import KubernetesHub
from onboarding.domain.errors import Refused, Transient
from onboarding.models import ApplicationStatus, Cluster, Fleet, Hub, HubWatch, Standing
from onboarding.ports import HubEvent, HubEventType, HubKind, ListExpired
from onboarding.services.observing import event_pump, hub_parts, observations, watching
from onboarding.services.observing.absences import Absence
from onboarding.services.observing.backoff import Backoff
from onboarding.services.observing.event_pump import EventPump
from onboarding.services.observing.loops import Observed
from onboarding.services.observing.watching import (
    ClustersLoop,
    JudgeLoop,
    KindLoop,
    LeaseLoop,
    ReturnLoop,
    StandingsLoop,
)
from tests.adapters.scripted_server import (
    Answer,
    Asked,
    ScriptedServer,
    reply,
    scripted_server,
    status,
    stream,
)
from tests.fakes import FakeArgoCD, FakeSecrets

pytestmark = pytest.mark.django_db

APPLICATIONS = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"


class Wall:
    """The real clock, as the port wants it."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as script:
        script.on("GET", "/version", reply({"gitVersion": "v1.34.4"}))
        script.on("GET", "/api/v1/namespaces/argocd", reply({"metadata": {"uid": "hub-1"}}))
        yield script


@pytest.fixture
def observed(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Observed:
    monkeypatch.setattr(watching, "WATCH_SECONDS", 2)
    # The watches of a script end when it has no more to say.
    monkeypatch.setattr(watching, "_ON_TIME_SECONDS", 3600.0)
    monkeypatch.setattr("onboarding.adapters.kubernetes_hub._WATCH_GRACE_SECONDS", 0.3)
    fleet = Fleet.objects.create(name="fleet", repository_url="https://git.example.com/fleet.git")
    hub = Hub.objects.create(fleet=fleet, name="hub-cluster")
    watch = observations.claim(hub=hub, holder="watcher-1", clock=Wall())
    assert watch is not None
    reader = KubernetesHub(
        HubAccess(server.address, "argocd", NoToken()), connect_seconds=1, read_seconds=2
    )
    return Observed(
        watch=watch,
        hub=hub,
        reader=reader,
        argocd=FakeArgoCD(),
        credentials=FakeSecrets(),
        clock=Wall(),
        stop=threading.Event(),
        lost=threading.Event(),
    )


def loop(observed: Observed) -> KindLoop:
    return KindLoop(observed, HubKind.APPLICATIONS, chance=random.Random(1))


def application(name: str, version: str) -> dict[str, Any]:
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": version}
    return {"metadata": metadata, "status": {"sync": {"status": "Synced"}}}


def page(*items: object, version: str) -> Any:
    return {"metadata": {"resourceVersion": version}, "items": list(items)}


def by_query(lists: list[Answer], watches: list[Answer]) -> Answer:
    """One address answers lists and watches, each from its own script."""

    def answer(asked: Asked, handler: BaseHTTPRequestHandler) -> None:
        script = watches if asked.query.get("watch") else lists
        (script.pop(0) if len(script) > 1 else script[0])(asked, handler)

    return answer


def then_stop(observed: Observed, inner: Answer | None = None) -> Answer:
    """The last answer of a script: the loops shall end."""

    def answer(asked: Asked, handler: BaseHTTPRequestHandler) -> None:
        observed.stop.set()
        (inner or stream())(asked, handler)

    return answer


def added(name: str, version: str) -> dict[str, Any]:
    return {"type": "ADDED", "object": application(name, version)}


def names() -> list[str]:
    return list(ApplicationStatus.objects.values_list("name", flat=True))


def watches_of(server: ScriptedServer) -> list[str]:
    asked = server.requests("GET", APPLICATIONS)
    return [each.query["resourceVersion"] for each in asked if each.query.get("watch")]


def test_it_lists_then_watches_on_from_the_newest_version(
    server: ScriptedServer, observed: Observed
) -> None:
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "25"}}}
    server.on(
        "GET",
        APPLICATIONS,
        by_query(
            [reply(page(application("a", "5"), version="10"))],
            [stream(added("b", "20")), stream(bookmark), then_stop(observed)],
        ),
    )
    assert loop(observed).attempt() == 0.0
    assert names() == ["a", "b"]
    assert watches_of(server) == ["10", "20", "25"]


@pytest.mark.parametrize(
    "end",
    [
        {"type": "ERROR", "object": {"code": 410, "reason": "Expired"}},
        {"type": "ERROR", "object": {"code": 410, "reason": "Gone", "message": "too old"}},
    ],
)
def test_it_lists_anew_when_the_watch_expires(
    server: ScriptedServer, observed: Observed, end: object
) -> None:
    server.on(
        "GET",
        APPLICATIONS,
        by_query(
            [
                reply(page(application("a", "5"), application("ghost", "6"), version="10")),
                reply(page(application("a", "5"), version="30")),
            ],
            [stream(added("b", "20"), end), then_stop(observed)],
        ),
    )
    following = loop(observed)
    assert 0.5 <= following.attempt() <= 1.0
    assert names() == ["a", "b", "ghost"]
    following.attempt()
    assert names() == ["a"]
    assert watches_of(server) == ["10", "30"]
    assert HubWatch.objects.get().problem == ""


@pytest.mark.parametrize(
    "broken",
    [
        stream({"type": "ERROR", "object": {"code": 500, "reason": "InternalError"}}),
        stream(added("b", "20"), b"{not json}\n"),
        stream(added("b", "20"), silent=4),
        status(503),
    ],
    ids=["error event", "malformed", "half-open", "unavailable"],
)
def test_it_goes_on_where_a_watch_broke(
    server: ScriptedServer, observed: Observed, broken: Answer
) -> None:
    server.on(
        "GET",
        APPLICATIONS,
        by_query(
            [reply(page(application("a", "5"), version="10")), reply(page(version="21"))],
            [broken, stream(added("b", "20"), added("c", "21")), then_stop(observed)],
        ),
    )
    loop(observed).attempt()
    assert names() == ["a", "b", "c"]
    assert watches_of(server)[-1] == "21"
    asked = [each.query.get("limit") for each in server.requests("GET", APPLICATIONS)]
    # One list, and after the break one look at how far the hub counts.
    assert [limit for limit in asked if limit] == [str(observations.PAGE_SIZE), "1"]
    assert HubWatch.objects.get().problem == ""


def test_it_lists_anew_when_another_hub_answers_after_a_break(
    server: ScriptedServer, observed: Observed
) -> None:
    server.on(
        "GET",
        "/api/v1/namespaces/argocd",
        reply({"metadata": {"uid": "hub-1"}}),
        reply({"metadata": {"uid": "hub-2"}}),
    )
    server.on(
        "GET",
        APPLICATIONS,
        by_query(
            [
                reply(page(application("old", "5"), version="10")),
                reply(page(application("new", "3"), version="4")),
            ],
            [status(503), then_stop(observed)],
        ),
    )
    following = loop(observed)
    following.attempt()
    following.attempt()
    assert names() == ["new"]
    assert watches_of(server) == ["10", "4"]


def test_it_lists_anew_when_the_hub_was_restored_from_a_backup(
    server: ScriptedServer, observed: Observed
) -> None:
    """It is the same hub, but it counts from before, and would be silent to a watch that goes on."""
    restored = application("a", "5")
    restored["status"]["sync"]["status"] = "OutOfSync"
    server.on(
        "GET",
        APPLICATIONS,
        by_query(
            [
                # The same object with the same version says another thing in the new history.
                reply(page(application("a", "5"), application("lost", "8"), version="10")),
                reply(page(version="7")),
                reply(page(restored, version="7")),
            ],
            [stream(added("b", "20"), b"{not json}\n"), then_stop(observed)],
        ),
    )
    following = loop(observed)
    following.attempt()
    assert names() == ["a", "b", "lost"]
    following.attempt()
    assert names() == ["a"]
    assert ApplicationStatus.objects.get().sync == "OutOfSync"
    assert watches_of(server) == ["10", "7"]


def test_it_lists_anew_when_a_hub_was_restored_that_ended_its_watches_in_good_order(
    server: ScriptedServer, observed: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An API server that is shut down ends its watches as it does by their time: too early, that is all."""
    monkeypatch.setattr(watching, "_ON_TIME_SECONDS", 0.5)
    server.on(
        "GET",
        APPLICATIONS,
        by_query(
            [
                reply(page(application("a", "5"), application("lost", "8"), version="10")),
                reply(page(version="7")),
                reply(page(application("a", "5"), version="7")),
            ],
            [stream(added("b", "20")), then_stop(observed)],
        ),
    )
    following = loop(observed)
    following.attempt()
    assert names() == ["a", "b", "lost"]
    following.attempt()
    assert names() == ["a"]
    assert watches_of(server) == ["10", "7"]


def test_it_goes_on_where_a_watch_ended_early_and_it_is_the_same_hub(
    server: ScriptedServer, observed: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_ON_TIME_SECONDS", 0.5)
    server.on(
        "GET",
        APPLICATIONS,
        by_query(
            [reply(page(application("a", "5"), version="10")), reply(page(version="25"))],
            [stream(added("b", "20")), then_stop(observed)],
        ),
    )
    assert loop(observed).attempt() == 0.0
    assert names() == ["a", "b"]
    assert watches_of(server) == ["10", "20"]


@pytest.mark.parametrize("silent", [1.5, 4], ids=["ended as asked", "half-open"])
def test_it_lists_anew_after_a_silence_in_which_the_hub_may_have_counted_past_us(
    server: ScriptedServer, observed: Observed, monkeypatch: pytest.MonkeyPatch, silent: float
) -> None:
    monkeypatch.setattr(watching, "_LONG_SILENCE_SECONDS", 1.0)
    server.on(
        "GET",
        APPLICATIONS,
        by_query(
            [
                reply(page(application("a", "5"), application("lost", "6"), version="10")),
                reply(page(application("a", "5"), version="30")),
            ],
            [stream(added("b", "20"), silent=silent), stream(silent=1.5), then_stop(observed)],
        ),
    )
    following = loop(observed)
    following.attempt()
    assert names() == ["a", "b", "lost"]
    server_watches = len(watches_of(server))
    following.attempt()
    assert names() == ["a"]
    assert watches_of(server)[server_watches:][:1] == ["30"]


def test_it_takes_duplicate_and_late_events(server: ScriptedServer, observed: Observed) -> None:
    degraded = application("a", "22")
    degraded["status"]["health"] = {"status": "Degraded"}
    new = {"type": "MODIFIED", "object": degraded}
    late = {"type": "MODIFIED", "object": application("a", "21")}
    server.on(
        "GET",
        APPLICATIONS,
        by_query(
            [reply(page(application("a", "5"), version="10"))],
            [stream(new, late, new, late), then_stop(observed)],
        ),
    )
    loop(observed).attempt()
    assert ApplicationStatus.objects.get().health == "Degraded"


def test_it_survives_huge_and_rotten_objects(server: ScriptedServer, observed: Observed) -> None:
    huge = application("huge", "20")
    huge["status"]["resources"] = [{"name": "r" * 1000}] * 2000
    rotten = {"metadata": {"name": "rotten", "uid": "r"}, "spec": 7, "status": [None]}
    server.on(
        "GET",
        APPLICATIONS,
        by_query(
            [reply(page(None, rotten, application("a", "5"), version="10"))],
            [
                stream(
                    {"type": "ADDED", "object": huge},
                    {"type": "ADDED", "object": None},
                    {"type": "MODIFIED", "object": {"metadata": "text"}},
                    added("z", "23"),
                ),
                then_stop(observed),
            ],
        ),
    )
    loop(observed).attempt()
    assert sorted(names()) == ["a", "huge", "rotten", "z"]
    assert HubWatch.objects.get().kinds["applications"]["unreadable"] == 1


def test_it_says_at_once_that_a_right_is_missing(
    server: ScriptedServer, observed: Observed
) -> None:
    server.on("GET", APPLICATIONS, status(403, "Forbidden"))
    following = loop(observed)
    assert following.attempt() > 0
    row = HubWatch.objects.get()
    assert "list applications.argoproj.io" in row.problem
    assert row.problem_since is not None
    assert row.seen_at is None


def test_it_says_that_a_hub_is_away_from_the_second_time_on(
    server: ScriptedServer, observed: Observed
) -> None:
    server.on("GET", APPLICATIONS, status(503))
    following = loop(observed)
    following.attempt()
    assert HubWatch.objects.get().problem == ""
    following.attempt()
    assert "overloaded or away" in HubWatch.objects.get().problem
    server.on("GET", APPLICATIONS, by_query([reply(page(version="9"))], [then_stop(observed)]))
    following.attempt()
    row = HubWatch.objects.get()
    assert (row.problem, row.problem_since) == ("", None)


def test_it_says_at_once_that_a_hub_hangs(
    server: ScriptedServer,
    observed: Observed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing came over an open connection for longer than a watch lasts: no need to ask twice."""
    monkeypatch.setattr(watching, "WATCH_SECONDS", 1)
    monkeypatch.setattr("onboarding.adapters.kubernetes_hub._WATCH_GRACE_SECONDS", 1.3)
    said: list[str] = []
    report = hub_parts.report_problem

    def reported(**given: Any) -> None:
        report(**given)
        said.append(HubWatch.objects.get().kinds["applications"]["problem"])

    monkeypatch.setattr(hub_parts, "report_problem", reported)
    server.on(
        "GET",
        APPLICATIONS,
        by_query(
            [reply(page(application("a", "5"), version="10"))],
            [stream(silent=4), then_stop(observed)],
        ),
    )
    loop(observed).attempt()
    assert [one for one in said if "watch applications" in one] == said != []


def test_it_waits_as_long_as_the_hub_asks(server: ScriptedServer, observed: Observed) -> None:
    server.on("GET", APPLICATIONS, status(429, "TooManyRequests", retry_after="17"))
    assert loop(observed).attempt() == 17.0


def test_it_ends_when_the_watch_is_lost(server: ScriptedServer, observed: Observed) -> None:
    server.on("GET", APPLICATIONS, reply(page(version="9")))
    observations.claim(hub=observed.hub, holder="watcher-1", clock=Wall())
    assert loop(observed).attempt() == 0.0
    assert observed.lost.is_set()
    assert observed.over


def test_it_brings_up_how_the_clusters_stand_that_moved(
    server: ScriptedServer, observed: Observed
) -> None:
    for name in ("spoke-a", "spoke-b"):
        Cluster.objects.create(
            fleet=observed.hub.fleet, path=name, hub_name="hub-cluster", name=name
        )
    mine = application("a", "5")
    mine["spec"] = {"destination": {"name": "spoke-a"}}
    server.on(
        "GET",
        APPLICATIONS,
        by_query([reply(page(mine, version="10"))], [then_stop(observed)]),
    )
    standing = StandingsLoop(observed)
    observed.watch.moved.add(["spoke-a"])
    assert standing.attempt() > 0
    assert not Standing.objects.exists(), "nothing was listed yet"
    loop(observed).attempt()
    assert standing.attempt() > 0
    assert [row.name for row in Standing.objects.all()] == ["spoke-a"]
    assert Standing.objects.get().applications == 1
    assert observed.watch.moved.take(10) == frozenset()


def test_it_forgets_no_cluster_whose_standing_could_not_be_written(
    observed: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> int:
        raise DatabaseError("away")

    HubWatch.objects.update(seen_at=Wall().now())
    observed.watch.moved.add(["spoke-a"])
    monkeypatch.setattr("onboarding.services.observing.standings.follow", broken)
    assert StandingsLoop(observed, chance=random.Random(1)).attempt() > 0
    assert observed.watch.moved.take(10) == {"spoke-a"}


def test_it_keeps_the_lease(observed: Observed) -> None:
    assert LeaseLoop(observed).attempt() == pytest.approx(10)
    observations.release(watch=observed.watch)
    LeaseLoop(observed).attempt()
    assert observed.lost.is_set()


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (Refused("Argo CD does not accept the token."), "Argo CD does not accept the token."),
        (RuntimeError("secret-canary"), ""),
    ],
)
def test_it_survives_whatever_argo_cd_does(
    observed: Observed, failure: Exception, said: str
) -> None:
    argocd = observed.argocd
    assert isinstance(argocd, FakeArgoCD)
    argocd.failing = failure  # type: ignore[assignment]
    clusters = ClustersLoop(observed, chance=random.Random(1))
    assert clusters.attempt() > 0
    assert HubWatch.objects.get().problem == said
    clusters.attempt()
    assert "secret-canary" not in HubWatch.objects.get().problem
    assert HubWatch.objects.get().problem


def test_it_ends_a_rest_at_once(observed: Observed) -> None:
    threading.Timer(0.2, observed.stop.set).start()
    started = time.monotonic()
    observed.rest(30)
    assert time.monotonic() - started < 2


def test_it_ends_a_watch_at_once(server: ScriptedServer, observed: Observed) -> None:
    def stop_soon(asked: Asked, handler: BaseHTTPRequestHandler) -> None:
        threading.Timer(0.3, stop).start()
        stream(silent=5)(asked, handler)

    def stop() -> None:
        observed.stop.set()
        observed.reader.close()

    server.on("GET", APPLICATIONS, by_query([reply(page(version="9"))], [stop_soon]))
    started = time.monotonic()
    loop(observed).attempt()
    assert time.monotonic() - started < 2


# --- backing off and pumping -------------------------------------------------------------------


def test_it_waits_longer_after_each_failure() -> None:
    backoff = Backoff(chance=random.Random(7))
    waits = [backoff.failed() for _ in range(12)]
    bounds = [min(60.0, 2.0**number) for number in range(12)]
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
    backoff.begin_anew()
    assert backoff.failed() <= 1.0


def test_it_never_comes_back_sooner_than_asked() -> None:
    backoff = Backoff(chance=random.Random(7))
    assert backoff.failed(20) == 20
    assert backoff.failed(100_000) == 300


NAMESPACE = "/api/v1/namespaces/argocd"
THERE = reply({"metadata": {"uid": "hub-1"}})


@pytest.mark.parametrize(
    ("answers", "woken"),
    [
        pytest.param([status(503), status(503), THERE], True, id="away-and-back"),
        pytest.param([status(503), status(503), status(403)], True, id="back-and-refusing"),
        pytest.param([status(503), status(503), status(503)], False, id="still-away"),
        pytest.param([THERE, THERE, THERE], False, id="there-and-only-the-list-fails"),
        pytest.param([status(503), THERE, THERE], False, id="away-for-a-moment"),
        pytest.param([*[status(429, retry_after="1")] * 2, THERE], False, id="asks-for-patience"),
    ],
)
def test_it_goes_on_as_soon_as_a_hub_that_was_away_is_back(
    server: ScriptedServer, observed: Observed, answers: list[Answer], woken: bool
) -> None:
    asks = ReturnLoop(observed, chance=random.Random(1))
    asks.attempt()
    assert server.requests("GET", NAMESPACE) == [], "nobody waits, so nobody asks"
    server.on("GET", APPLICATIONS, status(503))
    away = loop(observed)
    for _ in range(9):
        pause = away.attempt()
    assert pause > 20
    server.on("GET", NAMESPACE, *answers)
    rests = threading.Thread(target=away.rest, args=(pause,))
    rests.start()
    while not observed.absence.must_be_asked():
        time.sleep(0.01)
    for _ in answers:
        assert 2.5 <= asks.attempt() <= 5.0
    rests.join(2 if woken else 0.7)
    assert rests.is_alive() is not woken
    observed.stop.set()
    rests.join(2)
    # Of what comes after its return, the first failure is the first one again.
    assert (away.attempt() <= 1.0) is woken


def test_it_never_comes_back_sooner_than_asked_where_the_hub_is_back(
    server: ScriptedServer, observed: Observed
) -> None:
    server.on("GET", APPLICATIONS, status(429, retry_after="3"))
    throttled = loop(observed)
    pause = throttled.attempt()
    assert pause == 3
    back = threading.Timer(0.2, come_back, (observed.absence,))
    back.start()
    started = time.monotonic()
    throttled.rest(pause)
    back.join()
    assert time.monotonic() - started >= 3


def come_back(absence: Absence) -> None:
    for _ in range(2):
        absence.unanswered()
    absence.answered()


def test_it_asks_an_argo_cd_that_is_away_every_twenty_seconds(observed: Observed) -> None:
    assert isinstance(observed.argocd, FakeArgoCD)
    observed.argocd.failing = Transient("Argo CD does not answer.")
    clusters = ClustersLoop(observed, chance=random.Random(1))
    assert all(clusters.attempt() <= 20 for _ in range(9))


def event(name: str) -> HubEvent:
    return HubEvent(HubEventType.ADDED, {"metadata": {"name": name}}, "1")


def test_it_gathers_what_comes_together() -> None:
    pump = EventPump(lambda: iter([event(str(number)) for number in range(1000)]))
    batches = [len(batch) for batch in pump.batches()]
    assert sum(batches) == 1000
    assert len(batches) <= 5


def test_it_gives_what_came_before_a_failure() -> None:
    def broken() -> Iterator[HubEvent]:
        yield event("a")
        raise ListExpired("gone")

    seen: list[HubEvent] = []
    batches = EventPump(broken).batches()
    with pytest.raises(ListExpired):
        seen.extend(each for batch in batches for each in batch)
    assert [each.object["metadata"]["name"] for each in seen] == ["a"]


def test_it_does_not_gather_a_trickle_until_a_batch_is_full() -> None:
    """An event each 50 ms is never followed by a silence, and must not wait for hundreds more."""

    def trickle() -> Iterator[HubEvent]:
        for number in range(20):
            yield event(str(number))
            time.sleep(0.05)

    batches = [batch for batch in EventPump(trickle).batches() if batch]
    assert sum(map(len, batches)) == 20
    assert len(batches) > 2


def test_it_does_not_wait_for_a_second_event() -> None:
    gate = threading.Event()

    def slow() -> Iterator[HubEvent]:
        yield event("a")
        gate.wait(5)
        yield event("b")

    pump = EventPump(slow)
    started = time.monotonic()
    first = next(batch for batch in pump.batches() if batch)
    assert time.monotonic() - started < 0.5
    assert len(first) == 1
    gate.set()


def test_it_stops_reading_when_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_pump, "_QUEUE_LENGTH", 5)
    given: list[int] = []

    def endless() -> Iterator[HubEvent]:
        while True:
            given.append(1)
            yield event("x")

    pump = EventPump(endless)
    time.sleep(0.2)
    assert len(given) <= 8
    pump.give_up()
    time.sleep(0.8)
    count = len(given)
    time.sleep(0.3)
    assert len(given) == count


def test_it_takes_back_the_problem_of_a_part_that_nothing_is_heard_of(
    observed: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judging, for one, says nothing that would clear it; the hub was called Degraded for ever."""

    def problems() -> tuple[str, str]:
        row = HubWatch.objects.get()
        return row.problem, row.kinds["verdicts"]["problem"]

    with monkeypatch.context() as broken:
        broken.setattr(observations, "judge_again", lambda **_: 1 / 0)
        judging = JudgeLoop(observed, chance=random.Random(1))
        judging.attempt()
        judging.attempt()
    said = "The watcher met an error of its own; see its log."
    assert problems() == (said, said)
    other = "Argo CD is away."
    hub_parts.report_problem(watch=observed.watch, part="clusters", problem=other, clock=Wall())
    # Also a watcher that begins after it.
    JudgeLoop(observed).attempt()
    assert problems() == (other, "")
    hub_parts.forget_problem(watch=observed.watch, part="clusters")
    assert problems() == ("", "")
