"""From approval to the remote: Fleet UI beside plain git doing the same, and beside the naive way.

    ./fleet bench delivery [SIZE…]   sizes of the fleet in members; without any: 100, 1000, 10000

Each round does the same registration three ways on one bare repository of this machine. The floor is
what no product can beat: fetch, one commit built without a work tree, push. The naive way clones,
edits, commits and pushes. Ours runs from the call that approves to the end of the push, in a warm
process, on a PostgreSQL that waits for its disk; the broker's bell is not in it.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.goals import Goals
from tests.engines import postgres

ROUNDS, NAIVE_ROUNDS = 15, 3
CROWD, WORKERS = 1_000, 8


def main(arguments: Sequence[str]) -> int:
    """Measure every size, then the crowd; print the goals."""
    sizes = [int(size) for size in arguments] or [100, 1_000, 10_000]
    with postgres(durable=True) as database, tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "DATABASE_URL": database,
            "FLEETUI_DATA": f"{folder}/data",
            "LOG_LEVEL": "WARNING",
        }
        begin()
        goals, shares = Goals(), {}
        print(f"{'members':>8} {'floor':>9} {'ours':>9} {'naive':>9}  (ms, p50)   ours/floor")
        for size in sizes:
            floor, ours, naive = _measure(Path(folder) / str(size), size)
            shares[size] = ours - floor
            print(
                f"{size:>8} {floor * 1e3:>9.0f} {ours * 1e3:>9.0f} {naive * 1e3:>9.0f}"
                f"  {'':12} {ours / floor:.2f}",
                flush=True,
            )
            goals.at_most(f"approval to remote, {size} members, of the floor", ours / floor, 3, "x")
        if {100, 10_000} <= shares.keys():
            growth = shares[10_000] / shares[100]
            goals.at_most("our own share, 10,000 members of 100", growth, 1.5, "x")
        goals.at_most(
            f"{CROWD} changes into {CROWD} members, {WORKERS} workers, a person pushing 5/s",
            _crowd(Path(folder) / "crowd"),
            10,
            "s",
        )
        return goals.report()


def begin() -> None:
    """Start Django on an empty, migrated database."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "fleetui.settings"
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _site(folder: Path, members: int):  # type: ignore[no-untyped-def]
    """An empty installation with one fleet of so many members, indexed."""
    from django.core.management import call_command

    from onboarding.services import indexing
    from tests import repositories
    from tests.faults.processes import Site

    call_command("flush", interactive=False, verbosity=0)
    folder.mkdir()
    site = Site(folder)
    repositories.commit(
        site.bare,
        {_member_path(number): _member(number) for number in range(members)},
        message="The fleet so far",
    )
    repositories.git(site.bare, "repack", "-a", "-d", "-q")
    site.repository.fetch()
    indexing.index(fleet=site.fleet, repository=site.repository, clock=site.clock)
    return site


def _measure(folder: Path, members: int) -> tuple[float, float, float]:
    """The medians of floor, ours and naive, in seconds, their rounds interleaved."""
    site = _site(folder, members)
    clone = folder / "floor.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", site.bare, clone], check=True)
    floor, ours, naive = [], [], []
    for number in range(ROUNDS):
        floor.append(_floor(clone, site.bare, f"floor-{number}"))
        ours.append(_ours(site, f"ours-{number}"))
        if number < NAIVE_ROUNDS:
            naive.append(_naive(folder / "naive", site.bare, f"naive-{number}"))
    site.check()
    return statistics.median(floor), statistics.median(ours), statistics.median(naive)


def _ours(site, cluster: str) -> float:  # type: ignore[no-untyped-def]
    """Approve a waiting change and write it; until the push has ended."""
    from onboarding.services import approvals

    change = site.submitted(cluster)
    arrived: list[float] = []
    site.repository.after_push = lambda: arrived.append(time.perf_counter())
    begun = time.perf_counter()
    approvals.approve(
        change_id=change.pk,
        digest=change.plan_digest,
        actor=site.approver,
        clock=site.clock,
        queue=site.queue,
    )
    report = site.deliver()
    assert report.committed == (change.pk,), report
    return arrived[0] - begun


def _floor(clone: Path, bare: Path, cluster: str) -> float:
    """Fetch, build one commit without a work tree, push."""
    from tests import repositories

    begun = time.perf_counter()
    repositories.git(clone, "fetch", "--quiet", str(bare), "+main:main")
    repositories.commit(clone, {_member_path(cluster): _member(cluster)}, message="By hand")
    repositories.git(clone, "push", "--quiet", str(bare), "main:main")
    return time.perf_counter() - begun


def _naive(folder: Path, bare: Path, cluster: str) -> float:
    """Clone with a work tree, write the file, add, commit, push."""
    begun = time.perf_counter()
    who = ["-c", "user.name=Platform Team", "-c", "user.email=platform@example.com"]
    subprocess.run(["git", "clone", "--quiet", bare, folder], check=True)
    (folder / _member_path(cluster)).write_text(_member(cluster))
    for words in (["add", "-A"], ["commit", "--quiet", "-m", "By hand"], ["push", "--quiet"]):
        subprocess.run(["git", *who, *words], cwd=folder, check=True)
    took = time.perf_counter() - begun
    shutil.rmtree(folder)
    return took


def _crowd(folder: Path) -> float:
    """How long many workers need for many approved changes beside a person who pushes."""
    from tests.faults.people import Human
    from tests.faults.processes import Worker

    site = _site(folder, CROWD)
    for number in range(CROWD):
        site.approved(f"crowd-{number}")
    with Human(site.bare, folder / "clone", every=0.2) as human:
        begun = time.perf_counter()
        workers = [Worker(site, until_done=True, push_seconds=15.0) for _ in range(WORKERS)]
        assert [worker.wait(600) for worker in workers] == [0] * WORKERS
        took = time.perf_counter() - begun
    site.check(human=human.files, human_commits=tuple(human.commits))
    ours = len(site.commits()) - len(human.commits) - 1
    print(
        f"{CROWD} approved changes, {WORKERS} workers, {len(human.commits)} pushes of a person "
        f"meanwhile: {took:.1f} s, {ours} commits, each once"
    )
    assert ours == CROWD
    return took


def _member_path(cluster: int | str) -> str:
    from tests.stage import member

    return member(f"member-{cluster}" if isinstance(cluster, int) else cluster)


def _member(cluster: int | str) -> str:
    name = f"member-{cluster}" if isinstance(cluster, int) else cluster
    return (
        f'tenant: "team-a"\nclusterName: "{name}"\nenvironment: "dev"\n'
        f'secretManagerSecretName: "fleet/{name}"\nuse_remote_argo: "false"\n'
        'enable_remote_resources: "false"\nenable_remote_addons: "false"\n'
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
