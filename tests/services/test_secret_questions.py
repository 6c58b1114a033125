"""Asking Secrets Manager why a hub could not fetch a secret."""

from __future__ import annotations

import pytest

from onboarding.domain.credentials import SecretPresence
from onboarding.domain.errors import Refused
from onboarding.models import Fleet, Hub, HubObject
from onboarding.ports import HubKind
from onboarding.services.observing import observations, secret_questions
from onboarding.services.observing.observations import LostWatch, Watch
from tests.fakes import FakeClock, FakeHub, FakeSecrets

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def watch(clock: FakeClock) -> Watch:
    fleet = Fleet.objects.create(name="fleet", repository_url="https://git.example.com/fleet.git")
    hub = Hub.objects.create(fleet=fleet, name="hub-cluster")
    found = observations.claim(hub=hub, holder="watcher-1", clock=clock)
    assert found is not None
    return found


def external_secret(
    watch: Watch, clock: FakeClock, name: str, *, ready: bool | None = False
) -> HubObject:
    return HubObject.objects.create(
        hub_id=watch.hub_id,
        kind="externalsecrets",
        uid=f"uid-{name}",
        name=f"cluster-{name}",
        ready=ready,
        facts={"secrets": [f"fleet/{name}"]},
        seen_at=clock.now(),
    )


def test_it_says_what_secrets_manager_says(watch: Watch, clock: FakeClock) -> None:
    missing = external_secret(watch, clock, "missing")
    unusable = external_secret(watch, clock, "unusable")
    good = external_secret(watch, clock, "good", ready=True)
    unknown = external_secret(watch, clock, "unknown", ready=None)
    secrets = FakeSecrets()
    secrets.add("fleet/unusable")

    assert (
        secret_questions.ask_for_secrets(
            watch=watch, credentials=secrets, reader=FakeHub(), clock=clock
        )
        == 4
    )

    for row in (missing, unusable, good, unknown):
        row.refresh_from_db()
    assert (missing.presence, missing.presence_detail) == (
        SecretPresence.ABSENT.value,
        "There is no secret fleet/missing.",
    )
    assert unusable.presence == SecretPresence.PRESENT.value
    assert [good.presence, unknown.presence] == [SecretPresence.ABSENT.value] * 2


def test_it_comes_to_all_of_them_in_turn(
    watch: Watch, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_questions, "MOST_SECRETS", 2)
    rows = [external_secret(watch, clock, name) for name in ("a", "b", "c")]

    for _ in range(2):
        secret_questions.ask_for_secrets(
            watch=watch, credentials=FakeSecrets(), reader=FakeHub(), clock=clock
        )
        clock.advance(10)

    for row in rows:
        row.refresh_from_db()
    assert all(row.presence for row in rows)


def test_it_asks_for_what_failed_first(
    watch: Watch, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_questions, "MOST_SECRETS", 1)
    good = external_secret(watch, clock, "good", ready=True)
    failed = external_secret(watch, clock, "failed")

    secret_questions.ask_for_secrets(
        watch=watch, credentials=FakeSecrets(), reader=FakeHub(), clock=clock
    )

    good.refresh_from_db()
    failed.refresh_from_db()
    assert (good.presence, failed.presence) == ("", "absent")


def test_it_writes_nothing_without_the_watch(watch: Watch, clock: FakeClock) -> None:
    row = external_secret(watch, clock, "a")
    observations.release(watch=watch)

    with pytest.raises(LostWatch):
        secret_questions.ask_for_secrets(
            watch=watch, credentials=FakeSecrets(), reader=FakeHub(), clock=clock
        )

    row.refresh_from_db()
    assert row.presence == ""


def test_it_asks_for_a_fetched_secret_every_few_minutes(watch: Watch, clock: FakeClock) -> None:
    good = external_secret(watch, clock, "good", ready=True)
    secrets = FakeSecrets()
    secrets.add("fleet/good", version="v1", changed_at=clock.now())
    first = clock.now()

    def asked() -> int:
        return secret_questions.ask_for_secrets(
            watch=watch, credentials=secrets, reader=FakeHub(), clock=clock
        )

    assert [asked(), asked()] == [1, 0]
    clock.advance(301)
    assert asked() == 1
    good.refresh_from_db()
    assert (good.version, good.version_at) == ("v1", first)


def test_it_takes_a_new_tag_for_no_new_version(watch: Watch, clock: FakeClock) -> None:
    good = external_secret(watch, clock, "good", ready=True)
    secrets, first = FakeSecrets(), clock.now()

    def describe(version: str) -> None:
        secrets.add("fleet/good", version=version, changed_at=clock.now())
        secret_questions.ask_for_secrets(
            watch=watch, credentials=secrets, reader=FakeHub(), clock=clock
        )
        good.refresh_from_db()

    describe("v1")
    clock.advance(600)
    describe("v1")
    assert good.version_at == first

    clock.advance(600)
    describe("v2")
    assert (good.version, good.version_at) == ("v2", clock.now())


def test_it_keeps_the_version_while_aws_does_not_answer(watch: Watch, clock: FakeClock) -> None:
    good = external_secret(watch, clock, "good", ready=True)
    secrets, first = FakeSecrets(), clock.now()
    for presence in (SecretPresence.PRESENT, SecretPresence.DENIED):
        secrets.add("fleet/good", presence, version="v1", changed_at=first)
        secret_questions.ask_for_secrets(
            watch=watch, credentials=secrets, reader=FakeHub(), clock=clock
        )
        clock.advance(600)

    good.refresh_from_db()
    assert (good.presence, good.version, good.version_at) == ("denied", "v1", first)


@pytest.mark.parametrize("answer", [SecretPresence.THROTTLED, SecretPresence.UNREACHABLE])
def test_it_stops_asking_where_aws_throttles_or_does_not_answer(
    watch: Watch, clock: FakeClock, answer: SecretPresence
) -> None:
    rows = [external_secret(watch, clock, name, ready=True) for name in ("a", "b", "c")]
    secrets = FakeSecrets()
    for name in ("a", "b", "c"):
        secrets.add(f"fleet/{name}", answer)

    assert (
        secret_questions.ask_for_secrets(
            watch=watch, credentials=secrets, reader=FakeHub(), clock=clock
        )
        == 1
    )

    for row in rows:
        row.refresh_from_db()
    assert [row.presence for row in rows] == [answer.value, "", ""]


def test_it_keeps_what_the_operator_complains_of_while_it_fails(
    watch: Watch, clock: FakeClock
) -> None:
    failing, good = (
        external_secret(watch, clock, "a"),
        external_secret(watch, clock, "b", ready=True),
    )
    hub, secrets = FakeHub(), FakeSecrets()
    for row in (failing, good):
        said = "AccessDeniedException: Bearer abc is not authorized"
        hub.complaints[HubKind.EXTERNAL_SECRETS, row.name] = said

    def asked() -> list[str]:
        secret_questions.ask_for_secrets(watch=watch, credentials=secrets, reader=hub, clock=clock)
        return list(HubObject.objects.order_by("name").values_list("complaint", flat=True))

    assert asked() == ["AccessDeniedException: *** is not authorized", ""]
    hub.failing = Refused("The hub does not allow to list events.", code="forbidden")
    assert asked() == ["", ""]
    assert HubObject.objects.get(pk=failing.pk).presence == SecretPresence.ABSENT.value
