"""A random run: people and workers at work while processes, engines and the remote fail under them.

What happens, and when, comes from one seed; what the machine makes of it does not. Safety is asked
all the time, liveness at the end, when everything works again.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from django.db import connection
from django.test import Client
from django.urls import reverse

from onboarding.domain.alarms import Alarm
from onboarding.domain.errors import FleetError
from onboarding.domain.planner import EditCluster
from onboarding.models import Change, Cluster, Delivery
from onboarding.services import refreshing, withdrawals
from tests import repositories
from tests.engines import Redis
from tests.faults import invariants
from tests.faults.browser import Browser
from tests.faults.installation import Installation, children, kill
from tests.faults.people import Human
from tests.faults.processes import Site

WORKERS = 2
SETTLED_SECONDS = 120.0
"""How long the last delivery may take when all faults are over: a lease, and the longest wait."""

_LONGEST_FAULT = 60.0
_PAGES = 40


@dataclass
class Outcome:
    """What a run did and what was wrong with it."""

    acts: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    settled_after: float = 0.0


class Nemesis:
    """One run on a site, its installation and its broker; `say` hears each act as it happens."""

    def __init__(
        self,
        site: Site,
        installation: Installation,
        broker: Redis,
        *,
        seed: int,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.outcome = Outcome()
        self._site, self._installation, self._broker = site, installation, broker
        self._chance = random.Random(seed)
        self._say = say
        self._human = Human(site.bare, site.folder / "person")
        self._workers = [installation.worker() for _ in range(WORKERS)]
        self._beat = installation.beat()
        self._browser = Browser(installation, site.approver)
        self._taken_back: set[str] = set()
        self._named = 0
        self._committed: dict[int, str] = {}
        self._ends: dict[str, tuple[float, Callable[[], object]]] = {}
        self._begun = time.monotonic()

    def run(self, seconds: float) -> Outcome:
        """People and faults for so long, then quiet until all is settled, then every question."""
        people = (self._register, self._register, self._approve, self._approve, self._edit,
                  self._approve_in_browser, self._withdraw, self._push_note,
                  self._push_remark)  # fmt: skip
        faults = (self._kill_child, self._kill_worker, self._pause_worker, self._lose_broker,
                  self._freeze_broker, self._flush_broker, self._kill_beat, self._double_beat,
                  self._cut_database, self._lock_remote, self._refuse, self._slow_remote,
                  self._ring, self._rewrite, self._kill_web, self._jump_clocks)  # fmt: skip
        while time.monotonic() - self._begun < seconds:
            self._end_faults(everything=False)
            self._act(self._chance.choice(people))
            if self._chance.random() < 0.15:
                self._act(self._chance.choice(faults))
            self._look()
            self._start_ended_again()
            time.sleep(self._chance.uniform(0, 0.3))
        self._end_faults(everything=True)
        self._settle()
        self._ask_everything()
        return self.outcome

    # People

    def _register(self) -> None:
        self._named += 1
        self._site.submitted(f"spoke-{self._named}")

    def _edit(self) -> None:
        names = list(Cluster.objects.order_by("name").values_list("name", flat=True))
        if names:
            self._site.submitted(self._chance.choice(names), EditCluster)

    def _approve(self) -> None:
        if change := self._one(state="submitted"):
            self._site.approve(change)

    def _approve_in_browser(self) -> None:
        if change := self._one(state="submitted"):
            self._browser.approve(change)

    def _withdraw(self) -> None:
        if change := self._one(state__in=("submitted", "approved"), settled_at=None):
            withdrawals.withdraw(
                change_id=change.pk, actor=self._site.requester, clock=self._site.clock
            )

    def _push_note(self) -> None:
        if "remote" not in self._ends:
            self._human.note()

    def _push_remark(self) -> None:
        """In a file that a change is about to edit, if there is one."""
        files = sorted(self._site.files())
        if files:
            self._human.comment(self._chance.choice(files))

    # Faults

    def _kill_child(self) -> None:
        worker = self._chance.choice(self._workers)
        with suppress(FileNotFoundError, ProcessLookupError):
            for child in children(worker)[:1]:
                os.kill(child, signal.SIGKILL)

    def _start_ended_again(self) -> None:
        """Start each worker again that gave up, as what runs it does, and count it.

        Celery gives up where it loses a child while it starts, or the broker while it closes.
        """
        for index, worker in enumerate(self._workers):
            if worker.poll() is not None:
                self.outcome.acts["a worker gave up"] += 1
                self._ends.pop(f"worker {index}", None)
                self._workers[index] = self._installation.worker()

    def _kill_worker(self) -> None:
        index = self._chance.randrange(WORKERS)
        self._ends.pop(f"worker {index}", None)
        kill(self._workers[index])
        self._workers[index] = self._installation.worker()

    def _pause_worker(self) -> None:
        """For longer than a lease, sometimes."""
        index = self._chance.randrange(WORKERS)
        group = self._workers[index].pid
        if self._until(f"worker {index}", 40, lambda: os.killpg(group, signal.SIGCONT)):
            os.killpg(group, signal.SIGSTOP)

    def _lose_broker(self) -> None:
        if self._until("broker", _LONGEST_FAULT, self._broker.start):
            self._broker.stop()

    def _freeze_broker(self) -> None:
        if self._until("broker", 20, lambda: self._broker.signal(signal.SIGCONT)):
            self._broker.signal(signal.SIGSTOP)

    def _flush_broker(self) -> None:
        if "broker" not in self._ends:
            self._broker.flush()

    def _kill_beat(self) -> None:
        kill(self._beat)
        self._beat = self._installation.beat()

    def _double_beat(self) -> None:
        second = self._installation.beat
        if "beat" not in self._ends:
            process = second()
            self._until("beat", 30, lambda: kill(process))

    def _cut_database(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def _lock_remote(self) -> None:
        lock = self._site.bare / "refs" / "heads" / "main.lock"
        if self._until("remote", 10, lambda: lock.unlink(missing_ok=True)):
            lock.touch()

    def _refuse(self) -> None:
        self._hook("pre-receive", 10, "echo 'The branch is frozen' >&2; exit 1")

    def _slow_remote(self) -> None:
        """Slow before or after it takes the push, up to longer than a push may last."""
        moment = self._chance.choice(("pre-receive", "post-receive"))
        self._hook(moment, 20, f"sleep {self._chance.choice((1, 3, 18))}")

    def _rewrite(self) -> None:
        """A person takes the newest commit off the branch, by force, if it is one of ours."""
        if "remote" not in self._ends:
            for _ in range(10):
                ours = {commit.sha for commit in invariants.written(self._site.bare)}
                if gone := self._human.take_back(ours.__contains__):
                    self._taken_back.add(gone)
                    self._tell(f"a person removed {gone}")
                    return
                time.sleep(0.2)  # until there is one

    def _kill_web(self) -> None:
        """While it answers, if there is something to ask."""
        change = self._one(state="submitted")
        self._browser.kill_while_it_answers(change, after=self._chance.uniform(0, 0.3))

    def _jump_clocks(self) -> None:
        if self._until("clock", 30, lambda: self._installation.set_clocks(0)):
            self._installation.set_clocks(self._chance.choice((-7200, -45, 45, 7200)))

    def _ring(self) -> None:
        if "broker" not in self._ends:
            for _ in range(20):
                self._site.queue.wake("onboarding.deliver", fleet_id=self._site.fleet.pk)

    def _hook(self, name: str, longest: float, script: str) -> None:
        if self._until("remote", longest, lambda: repositories.remove_hook(self._site.bare, name)):
            repositories.install_hook(self._site.bare, name, script)

    def _until(self, what: str, longest: float, end: Callable[[], object]) -> bool:
        """Whether a fault may begin now; it ends by itself after a random while."""
        lasts = self._chance.uniform(0.5, longest)
        if what in self._ends:
            return False
        self._ends[what] = (time.monotonic() + lasts, end)
        return True

    def _end_faults(self, *, everything: bool) -> None:
        for what, (when, end) in list(self._ends.items()):
            if everything or time.monotonic() >= when:
                del self._ends[what]
                end()
                self._tell(f"{what} works again")

    # Questions

    def _look(self) -> None:
        """What must hold at every moment: once committed, always that commit; none twice."""
        rows = dict(Delivery.objects.filter(state="committed").values_list("pk", "commit"))
        for pk, sha in self._committed.items():
            if rows.get(pk) != sha:
                self._problem(f"delivery {pk} was committed as {sha}, now {rows.get(pk)}")
        self._committed = rows
        ours = [commit.change for commit in invariants.written(self._site.bare)]
        twice = [uid for uid, times in Counter(ours).items() if times > 1]
        for uid in twice:
            self._problem(f"change {uid} is in Git more than once")

    def _settle(self) -> None:
        """Nothing is wrong any more: everything must come to an end by itself."""
        begun = time.monotonic()
        while self._site.open_deliveries():
            if time.monotonic() - begun > SETTLED_SECONDS:
                still = Delivery.objects.filter(state__in=("queued", "pushing"))
                self._problem(f"not settled: {list(still.values_list('pk', 'state', 'reason'))}")
                break
            self._start_ended_again()
            time.sleep(0.2)
        self.outcome.settled_after = time.monotonic() - begun

    def _ask_everything(self) -> None:
        self._start_ended_again()
        self._look()
        self._compare_index()
        gone = self._compare_alarms()
        try:
            self._site.check(
                human=self._untouched(),
                human_commits=tuple(self._human.commits),
                taken_back=tuple(row.change for row in gone),
            )
        except AssertionError as wrong:
            self._problem(str(wrong))
        tree = repositories.tree(self._site.bare)
        for path, line in self._human.lines:
            if line.encode() not in tree.get(path, b"").splitlines():
                self._problem(f"{path} lost a person's line: {line}")
        for process in (self._beat, self._browser.web):
            if process.poll() is not None:
                self._problem(f"a process that nobody killed ended: {process.args!r}")
        self._compare_pages({row.change_id for row in gone})
        self.outcome.states.update(
            f"{row.change.state}, {row.state}" for row in Delivery.objects.select_related("change")
        )

    def _untouched(self) -> dict[str, str]:
        """What people pushed as files of their own, without those that they remarked in later."""
        remarked = {path for path, _ in self._human.lines}
        return {path: text for path, text in self._human.files.items() if path not in remarked}

    def _compare_alarms(self) -> list[Delivery]:
        """What was delivered and taken back is alarmed, and nothing else is."""
        committed = Delivery.objects.filter(state="committed").select_related("change")
        history = set(repositories.git(self._site.bare, "rev-list", "main").split())
        gone = [row for row in committed if row.commit not in history]
        for row in gone:
            if row.alarm != Alarm.DIVERGED.value:
                self._problem(f"{row.commit} of change {row.change_id} is gone, without an alarm")
            if row.commit not in self._taken_back:
                self._problem(f"{row.commit} of change {row.change_id} is gone; nobody removed it")
        for row in committed.filter(alarm=Alarm.DIVERGED.value):
            if row.commit in history:
                self._problem(f"{row.commit} is in the branch, and alarmed")
        self.outcome.acts["alarmed as taken back"] = len(gone)
        return gone

    def _compare_index(self) -> None:
        """The database's members are Git's."""
        site = self._site
        site.repository.fetch()
        refreshing.refresh(fleet=site.fleet, repository=site.repository, clock=site.clock)
        paths = repositories.tree(site.bare)
        in_git = {path for path in paths if "/fleet-members/" in path}
        indexed = set(Cluster.objects.values_list("path", flat=True))
        if indexed != in_git:
            self._problem(f"the database and Git differ in {sorted(indexed ^ in_git)}")

    def _compare_pages(self, taken_back: set[int]) -> None:
        """What a page says of a delivery is what Git has."""
        client = Client()
        client.force_login(self._site.requester)
        in_git = {commit.change: commit.sha for commit in invariants.written(self._site.bare)}
        changes_ = list(Change.objects.order_by("pk"))
        for change in self._chance.sample(changes_, min(_PAGES, len(changes_))):
            url = reverse("change-detail", args=[change.pk]) + "?tab=delivery"
            page = client.get(url).content.decode()
            sha = in_git.get(str(change.uid))
            if sha and sha not in page:
                self._problem(f"the page of change {change.pk} does not name its commit {sha}")
            if change.pk in taken_back and Alarm.DIVERGED.word not in page:
                self._problem(f"the page of change {change.pk} says nothing of its lost commit")
            if not sha and "Committed" in page and change.pk not in taken_back:
                self._problem(f"the page of change {change.pk} says Committed; Git has nothing")

    def _one(self, **what: object) -> Change | None:
        found = list(Change.objects.filter(**what).order_by("pk"))
        return self._chance.choice(found) if found else None

    def _act(self, act: Callable[[], None]) -> None:
        """Do one thing; that the product refuses it, or a remote in trouble fails it, is no fault."""
        name = act.__name__.strip("_").replace("_", " ")
        try:
            act()
        except FleetError as error:
            name = f"{name} (refused)"
            self._tell(f"{name}: {error}")
        else:
            self._tell(name)
        self.outcome.acts[name] += 1

    def _tell(self, what: str) -> None:
        self._say(f"{time.monotonic() - self._begun:7.1f} {what}")

    def _problem(self, what: str) -> None:
        if what not in self.outcome.problems:
            self.outcome.problems.append(what)
            self._tell(f"VIOLATED {what}")
