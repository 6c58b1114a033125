"""What the product predicts is what the real controllers make of the same commit.

`./fleet test hub --situations N` draws N situations, at least 20 to a commit. A difference is shrunk
with Helm alone where Helm alone shows it, then replayed on the hub.
"""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from tests.agreement.offline import misses, report
from tests.agreement.shrinking import shrink
from tests.agreement.situations import HUB, Commit, commits
from tests.hub.agreement import Replay
from tests.hub.fleet import fresh_fleet
from tests.hub.harness import Hub
from tests.template.helm import Helm


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each commit."""
    if "commit" in metafunc.fixturenames:
        asked, seed = (metafunc.config.getoption(name) for name in ("--situations", "--seed"))
        drawn = list(commits(seed, asked, outside=False))
        metafunc.parametrize("commit", drawn, ids=[f"seed {one.seed}" for one in drawn])


def test_it_predicts_what_the_hub_does(
    commit: Commit, hub: Hub, helm: Helm, measured: list[str]
) -> None:
    started = time.monotonic()
    with fresh_fleet(hub, HUB) as fleet:
        replayed = Replay(fleet, commit, helm)
        missed = replayed.run()
    seconds = time.monotonic() - started
    measured.append(
        f"agreement, seed {commit.seed}: {len(commit.situations)} situations with "
        f"{replayed.applications} Applications in {seconds:.0f} s, {len(missed)} missed, "
        f"told again {replayed.told_again} times"
    )
    if missed:
        pytest.fail(shrunk(commit, missed, hub, helm))


def replay(commit: Commit, hub: Hub, helm: Helm) -> dict[str, list[str]]:
    """The differences that a commit shows on a fresh fleet."""
    with fresh_fleet(hub, HUB) as fleet:
        return Replay(fleet, commit, helm).run()


def shrunk(commit: Commit, missed: dict[str, list[str]], hub: Hub, helm: Helm) -> str:
    """What to say of a commit that differs: the least that differs, on the hub if it does there."""
    cluster = next(iter(missed))
    small = shrink(commit, cluster, lambda one: cluster in misses(one, helm))
    where = "shrunk with Helm alone"
    if small == commit:
        alone = tuple(one for one in commit.situations if one.cluster == cluster)
        small, where = replace(commit, situations=alone), "not shrunk, for Helm alone agrees"
    again = replay(small, hub, helm)
    if again:
        return f"on the hub, {where}\n{report(small, again)}"
    return f"on the hub, but not when it is replayed alone; {where}\n{report(commit, missed)}"
