"""A random run of real processes with faults, and what must hold during and after it.

    ./fleet bench nemesis [--minutes N] [--seed N]   without any: 15 minutes, a new seed

Celery workers and a beat on PostgreSQL and Redis of their own write to a bare repository while
people register, edit, approve (some of them in a browser) and withdraw, push by hand and take back
by force what was delivered; processes, the web's too, are killed and paused, workers' clocks jump,
the broker is lost and flushed, the database cuts connections, the remote locks, refuses and hangs.
The seed that is printed gives the same schedule again; the history is kept in the file that is named.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.delivery import begin
from bench.goals import Goals
from tests.engines import postgres, redis_server


def main(arguments: Sequence[str]) -> int:
    """Run, print what happened, and the goals."""
    parser = argparse.ArgumentParser(prog="./fleet bench nemesis")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args(arguments)
    history = Path(tempfile.gettempdir()) / f"fleetui-nemesis-{asked.seed}.log"
    print(f"seed {asked.seed}, {asked.minutes:g} minutes; history: {history}", flush=True)
    with (
        postgres(durable=True) as database,
        redis_server() as broker,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name,
        history.open("w") as log,
    ):
        os.environ |= {"DATABASE_URL": database, "FLEETUI_DATA": f"{name}/data"}
        os.environ |= {"LOG_LEVEL": "ERROR", "ALLOWED_HOSTS": "testserver", "DEBUG": "1"}
        begin()
        return _run(Path(name), broker, asked, lambda line: print(line, file=log, flush=True))


def _run(folder, broker, asked, say) -> int:  # type: ignore[no-untyped-def]
    from celery import Celery

    from onboarding.adapters.celery_queue import CeleryQueue
    from tests.faults.installation import Installation
    from tests.faults.nemesis import SETTLED_SECONDS, Nemesis
    from tests.faults.processes import Site

    site, installation = Site(folder), Installation(folder, broker.url)
    site.queue = CeleryQueue(Celery("nemesis", broker=broker.url))  # type: ignore[assignment]
    try:
        nemesis = Nemesis(site, installation, broker, seed=asked.seed, say=say)
        outcome = nemesis.run(asked.minutes * 60)
        if outcome.problems:
            print(installation.said())
    finally:
        installation.end()
    for title, counted in (("acts", outcome.acts), ("deliveries", outcome.states)):
        print(
            f"{title}: " + ", ".join(f"{number} {what}" for what, number in counted.most_common())
        )
    for problem in outcome.problems:
        print(f"VIOLATED: {problem}")
    goals = Goals()
    goals.at_most("what must hold and did not", len(outcome.problems), 0, "violations")
    goals.at_most("settled after the last fault", outcome.settled_after, SETTLED_SECONDS, "s")
    return goals.report()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
