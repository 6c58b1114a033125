"""Whatever a hub does, over real HTTP: no page is green by mistake, each says why, and all heals."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from onboarding import wiring
from onboarding.adapters.argocd_api import ArgoCDAccess, ArgoCDApi
from onboarding.adapters.aws_secrets import AwsSecrets, SecretsAccess
from onboarding.adapters.hub_access import HubAccess, NoToken
from onboarding.adapters.kubernetes_hub import KubernetesHub
from onboarding.models import ApplicationStatus, Cluster, Fleet, Hub, HubObject, HubWatch, Standing
from onboarding.ports import HubKind
from onboarding.services.observing import loops, observations, secret_questions, standings, watching
from tests.demo.test_hub_process import first_line, process
from tests.hubs.failing import SPOKE
from tests.journey.conftest import HUB, Place


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


class Later:
    """The real clock, moved on."""

    def __init__(self) -> None:
        self.by = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.by


class House:
    """A watched hub, driven round by round, and the pages that show it."""

    process: subprocess.Popen[str]

    def __init__(self, place: Place, address: str, clock: Later) -> None:
        self.place, self.address, self.clock = place, address, clock
        hub = Hub.objects.get(name=HUB)
        Cluster.objects.create(
            fleet=hub.fleet, path="m/spoke-a.yaml", hub_name=HUB, name=SPOKE, tenant="tenant1"
        )
        watch = observations.claim(hub=hub, holder="watcher-1", clock=clock)
        assert watch is not None
        self.observed = loops.Observed(
            watch=watch,
            hub=hub,
            reader=KubernetesHub(
                HubAccess(address, "argocd", NoToken()), connect_seconds=1, read_seconds=0.7
            ),
            argocd=ArgoCDApi(ArgoCDAccess(address, NoToken()), read_seconds=1),
            credentials=AwsSecrets(SecretsAccess(region="eu-west-1", endpoint_url=address)),
            clock=clock,
            stop=threading.Event(),
            lost=threading.Event(),
        )
        self.loops = {
            kind: watching.KindLoop(self.observed, kind, chance=random.Random(1))
            for kind in HubKind
        }

    def freeze(self) -> None:
        """The hub's process stands still: its connections stay open, and nothing comes over them."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it stood."""
        self.process.send_signal(signal.SIGCONT)

    def turn(self, fault: str) -> None:
        """Let the hub fail, or mend it."""
        urllib.request.urlopen(f"{self.address}/fault/{fault}", timeout=10).close()  # noqa: S310

    def round(self, *kinds: HubKind) -> float:
        """One list of each kind; the longest rest that a loop wants then."""
        return max(self.loops[kind].attempt() for kind in kinds or HubKind)

    def look(self) -> None:
        """Everything once, as it is when all is well."""
        self.round()
        observations.observe_clusters(
            watch=self.observed.watch, argocd=self.observed.argocd, clock=self.clock
        )
        self.judge()

    def judge(self) -> None:
        """What time alone changes, and how the clusters stand by that."""
        observations.judge_again(watch=self.observed.watch, clock=self.clock)
        standings.recompute(fleet=Fleet.objects.get(), clock=self.clock)

    def is_green(self) -> bool:
        """Whether any page calls the cluster healthy; they have to agree."""
        listed = f"/{HUB}/{SPOKE}/" in self.text("/clusters/?state=healthy")
        assert listed == ("All 1 clusters are healthy" in self.text("/"))
        return listed

    def text(self, path: str) -> str:
        """A page as a viewer sees it."""
        answer = self.place.get("viewer", path)
        assert answer.status_code == 200
        return answer.content.decode()


@pytest.fixture
def house(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    clock = Later()
    monkeypatch.setattr(wiring, "clock", lambda: clock)
    monkeypatch.setattr(watching, "WATCH_SECONDS", 1)
    # Rounds end with their list; those tests that are about a watch say otherwise.
    monkeypatch.setattr(watching, "RELIST_EVERY", timedelta(0))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with process("-m", "tests.hubs.failing") as started:
        found = House(place, first_line(started), clock)
        found.process = started
        found.look()
        assert found.is_green()
        yield found


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("away", "does not answer"),
        ("unauthorized", "does not accept"),
        ("forbidden", "list applications.argoproj.io"),
        ("overloaded", "overloaded or away (HTTP 429)"),
        ("slow", "does not answer"),
        ("half_open", "broke off"),
        ("not_json", "is not JSON"),
    ],
)
def test_it_is_never_green_while_a_hub_fails_and_says_why(
    house: House, fault: str, said: str
) -> None:
    house.turn(fault)
    rest = 0.0
    for _ in range(2):
        rest = house.round(HubKind.APPLICATIONS)
    assert rest == 17 if fault == "overloaded" else 0 < rest < 10
    house.clock.by = timedelta(minutes=5)
    house.judge()
    assert not house.is_green()
    assert Standing.objects.get().state == "stale"
    page = house.text(f"/clusters/{HUB}/{SPOKE}/")
    assert "Stale" in page
    assert said in page.replace("&#x27;", "'")
    assert "Unreachable" in house.text("/system/")

    house.turn("none")
    house.look()
    assert house.is_green()
    assert HubWatch.objects.get().problem == ""


@pytest.mark.parametrize(
    ("fault", "said", "system"),
    [
        (
            "no_controller",
            "Argo CD's application controller has not answered since",
            "Argo CD's application controller: The application controller has tried no cluster since.",
        ),
        ("no_shard", "the controller of this one's shard is away", "Follows the hub."),
        (
            "no_argo_cd",
            "Argo CD has not answered since",
            "Argo CD's API server: Argo CD is overloaded or away (HTTP 503) for list clusters.",
        ),
    ],
)
def test_it_is_never_green_while_a_part_of_argo_cd_is_away_and_names_it(
    house: House, fault: str, said: str, system: str
) -> None:
    """The Kubernetes API goes on to say Synced and Healthy of everything."""
    house.turn(fault)
    argocd = watching.ClustersLoop(house.observed)
    house.observed.stop.set()  # it looks, and does not rest
    for seconds in (0, 100, 200):
        house.clock.by = timedelta(seconds=seconds)
        argocd.attempt()
        house.round()
        house.judge()
    assert Standing.objects.get().state == "stale"
    assert not house.is_green()
    assert said in house.text(f"/clusters/{HUB}/{SPOKE}/").replace("&#x27;", "'")
    shown = house.text("/system/").replace("&#x27;", "'")
    assert system in shown
    assert "Unreachable" not in shown

    # No list, number, search or file of Applications says otherwise.
    healthy = house.text("/applications/?state=healthy")
    assert f"one-{SPOKE}" not in healthy
    assert f"one-{SPOKE}" in house.text("/applications/?state=stale")
    assert "Healthy" not in house.text(f"/search/?q=one-{SPOKE}")

    house.turn("none")
    house.clock.by = timedelta()
    argocd.attempt()
    house.look()
    assert house.is_green()


def test_it_says_that_applications_in_other_namespaces_are_not_watched(house: House) -> None:
    """We may not read them; Argo CD's own count of a cluster's Applications has them."""
    house.turn("counted")
    for _ in range(3):
        house.clock.by += timedelta(seconds=60)
        house.look()
    said = "Argo CD has 2 more Applications for it, outside its own namespace"
    assert said in house.text(f"/clusters/{HUB}/{SPOKE}/")
    assert said in house.text("/clusters/")
    assert "2 more Applications of 1 cluster." in house.text("/system/")
    assert house.is_green()
    house.turn("none")
    house.look()
    assert said not in house.text("/clusters/")


def test_it_names_an_application_set_controller_that_is_away(house: House) -> None:
    """What is there stays as it is and is compared as before; nothing new comes of Git any more."""
    sets = watching.SetControllerLoop(house.observed)

    def look(seconds: float) -> str:
        house.clock.by += timedelta(seconds=seconds)
        house.look()
        sets.attempt()
        house.look()
        return house.text("/system/").replace("&#x27;", "'")

    look(0)
    assert "Looks at Git when it is asked to." in look(5)
    house.turn("no_set_controller")
    assert "has looked at none since" not in look(301)
    shown = look(100)
    assert "ApplicationSet controller of hub-cluster" in shown
    assert "to look at ApplicationSet members, and has looked at none since." in shown
    assert "Look at argocd-applicationset-controller on the hub." in shown
    assert "Argo CD's ApplicationSet controller" in house.text("/").replace("&#x27;", "'")
    assert house.is_green(), "its Applications are compared and healed as before"
    # A cluster that is new waits for it, and says so.
    Cluster.objects.create(
        fleet=Fleet.objects.get(),
        path="m/spoke-b.yaml",
        hub_name=HUB,
        name="spoke-b",
        tenant="tenant1",
    )
    page = house.text(f"/clusters/{HUB}/spoke-b/").replace("&#x27;", "'")
    assert (
        "Argo CD's ApplicationSet controller is not running, or does not get to its work." in page
    )

    house.turn("none")
    assert "Looks at Git when it is asked to." in look(5)
    assert HubWatch.objects.get().problem == ""


def test_it_turns_stale_also_where_nobody_says_anything_any_more(house: House) -> None:
    """The watcher itself is gone: nothing is written, and time alone takes the green away."""
    house.clock.by = timedelta(minutes=5)
    assert not house.is_green()
    house.judge()
    assert set(ApplicationStatus.objects.values_list("verdict", flat=True)) == {"stale"}


def following(house: House, monkeypatch: pytest.MonkeyPatch, seconds: float = 1) -> float:
    """One round of the Applications with a watch."""
    monkeypatch.setattr(watching, "RELIST_EVERY", timedelta(seconds=seconds))
    return house.round(HubKind.APPLICATIONS)


def test_it_notices_a_hub_that_freezes_in_the_midst_of_a_watch(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half-open: neither an end nor an error comes over the watch, and new connections are taken."""
    monkeypatch.setattr("onboarding.adapters.kubernetes_hub._WATCH_GRACE_SECONDS", 1.5)
    freezing = threading.Timer(0.5, house.freeze)
    freezing.start()
    try:
        following(house, monkeypatch, seconds=4)
        row = HubWatch.objects.get()
        assert row.kinds["applications"]["problem"] != ""
        house.clock.by = timedelta(seconds=30)
        house.judge()
        assert not house.is_green()
        page = house.text(f"/clusters/{HUB}/{SPOKE}/").replace("&#x27;", "'")
        assert "The hub has not answered since" in page
    finally:
        freezing.join()
        house.thaw()
    house.clock.by = timedelta()
    house.look()
    assert house.is_green()


def test_it_lists_anew_with_jitter_where_a_version_is_gone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.turn("gone")
    generation = HubWatch.objects.get().generation
    rests = {round(following(house, monkeypatch), 3) for _ in range(2)}
    assert all(0.5 <= rest <= 1 for rest in rests)
    row = HubWatch.objects.get()
    assert (row.generation, row.problem) == (generation + 2, "")
    house.judge()
    assert house.is_green()


def test_an_older_word_never_overwrites_a_newer_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.turn("out_of_order")
    following(house, monkeypatch)
    row = ApplicationStatus.objects.get(name="one-spoke-a")
    assert (row.health, row.resource_version) == ("Degraded", "9000")
    house.judge()
    assert not house.is_green()
    house.turn("none")
    house.look()
    assert house.is_green(), "a list is the truth"


@pytest.mark.parametrize(("fault", "state"), [("restored", "degraded"), ("replaced", "deploying")])
def test_it_keeps_nothing_of_a_hub_that_was_restored_or_replaced(
    house: House, fault: str, state: str
) -> None:
    house.turn(fault)
    house.look()
    rows = ApplicationStatus.objects.all()
    assert {row.uid.partition("-")[0] for row in rows} == {fault}
    assert all(int(row.resource_version) < 1000 for row in rows)
    assert Standing.objects.get().state == state
    assert not house.is_green()
    assert HubWatch.objects.get().identity == ("hub-2" if fault == "replaced" else "hub-1")


def test_it_shows_what_is_rotten_as_unknown_and_reads_the_rest(house: House) -> None:
    house.turn("rotten")
    house.look()
    verdicts = dict(ApplicationStatus.objects.values_list("name", "verdict"))
    assert verdicts["two-spoke-a"] == verdicts["huge-spoke-a"] == "healthy"
    odd = ("odd-spoke-a", "deep-spoke-a", "one-spoke-a")
    assert {verdicts[name] for name in odd} == {"unknown"}
    assert HubWatch.objects.get().kinds["applications"]["unreadable"] == 1
    assert not house.is_green()
    assert "a known health" in house.text(f"/clusters/{HUB}/{SPOKE}/")
    assert len(max(str(row.facts) for row in ApplicationStatus.objects.all())) < 5000


@pytest.mark.parametrize(
    ("fault", "presence", "detail", "said"),
    [
        ("throttled", "throttled", "asked too often", "cannot fetch the credentials"),
        ("denied", "denied", "Allow secretsmanager:DescribeSecret", "cannot fetch the credentials"),
        ("none", "absent", "There is no secret", "There is no secret"),
    ],
)
def test_it_says_what_secrets_manager_answered_and_takes_no_silence_for_absence(
    house: House, fault: str, presence: str, detail: str, said: str
) -> None:
    HubObject.objects.filter(kind="externalsecrets").update(
        ready=False, facts={"secrets": ["fleet/spoke-a"], "reason": "SecretSyncedError"}
    )
    house.turn(fault)
    secret_questions.ask_for_secrets(
        watch=house.observed.watch,
        credentials=house.observed.credentials,
        reader=house.observed.reader,
        clock=house.clock,
    )
    row = HubObject.objects.get(kind="externalsecrets")
    assert (row.presence, detail in row.presence_detail) == (presence, True)
    house.judge()
    assert not house.is_green()
    page = house.text(f"/clusters/{HUB}/{SPOKE}/")
    assert said in page
    assert ("There is no secret" in page) == (presence == "absent")
