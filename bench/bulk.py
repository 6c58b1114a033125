"""500 clusters by CSV, seven of them wrong, from the file to Git: `./fleet bench bulk [CLUSTERS]`.

One fleet of 1,000 clusters in a bare Git repository, made from the shipped template. In one run and one
process: read the CSV, check every row (plan, neighbours, secret), look at the page, approve all, and write a
commit for each. `CLUSTERS` is how many, 500 if not said; first a file of 100,000 is answered, which is more
than is taken. Beside it the floor: a shell loop that writes the same two files of each cluster and commits
them with plain git, with one push at the end, and with one push for each. Seconds are on the wall, CPU is of
this process and its children.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "fleetui.settings"
_DATA = tempfile.TemporaryDirectory(prefix="fleetui-bench-")
os.environ["FLEETUI_DATA"] = _DATA.name
os.environ.setdefault("LOG_LEVEL", "WARNING")
django.setup()

from django.contrib.auth.models import Group, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import override_settings  # noqa: E402

from bench.goals import Goals  # noqa: E402
from onboarding import wiring  # noqa: E402
from onboarding.automation import bulk_checks  # noqa: E402
from onboarding.domain.bulk_csv import read  # noqa: E402
from onboarding.domain.errors import Refused  # noqa: E402
from onboarding.models import Bulk, Fleet, Hub  # noqa: E402
from onboarding.services import bulks, indexing  # noqa: E402
from onboarding.services.delivery import deliveries  # noqa: E402
from onboarding.services.initializing import TEMPLATE  # noqa: E402
from tests import repositories  # noqa: E402
from tests.fakes import FakeQueue, FakeSecrets  # noqa: E402

FOLDER = Path(_DATA.name)
HUB = "hub-cluster"
THERE, TOO_MANY = 1000, 100_000
ASKED = int(sys.argv[1]) if len(sys.argv) > 1 else 500
MEMBER = (
    'tenant: "{tenant}"\nclusterName: "{name}"\nenvironment: "dev"\n'
    'secretManagerSecretName: "fleet/{name}"\nuse_remote_argo: "false"\n'
    'enable_remote_resources: "false"\nenable_remote_addons: "false"\n'
)
PINS = (
    'externalSecret:\n  labels:\n    addonsRelease: "default"\n    enable_metrics_server: "true"\n'
)
HEAD = "hub,cluster,tenant,environment,secret_name,addonsRelease,enable_metrics_server"
WRONG = {
    30: "a name that no cluster can have",
    90: "a tenant that cannot be",
    150: "a secret of another line",
    210: "a secret that does not exist",
    300: "a channel that nobody releases",
    400: "a cluster that is there",
    480: "a hub that nobody knows",
}


def main() -> int:
    """Measure, print one line for each goal, and fail where one does not hold."""
    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    secrets = FakeSecrets()
    wiring.credentials = lambda hub: secrets
    wiring.queue = FakeQueue
    goals = Goals()
    with override_settings(
        REPOSITORIES_FOLDER=FOLDER / "mirrors",
        FLEETUI_ALLOW_LOCAL_REPOSITORIES=True,
        ALLOWED_HOSTS=["testserver"],
        HELM_COMMAND="",
    ):
        bare = repositories.bare_repository(FOLDER / "fleet.git", _files())
        _too_many(goals)
        ours = _ours(bare, secrets, goals)
        once, each = _floor(once=True), _floor(once=False)
        print(
            f"ours from CSV to Git {ours:.1f} s; a shell loop of plain git {once:.1f} s with one push, "
            f"{each:.1f} s with a push for each: {ours / once:.1f} and {ours / each:.1f} times as long"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    goals.at_most(f"from the CSV to {ASKED - len(WRONG)} commits", ours, 120 * ASKED / 500, "s")
    goals.at_most("memory", peak, 400, "MiB")
    return goals.report()


def _files() -> dict[str, str | bytes | None]:
    files: dict[str, str | bytes | None] = {
        path.relative_to(TEMPLATE).as_posix(): path.read_bytes()
        for path in TEMPLATE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    for number in range(THERE):
        files |= _cluster(f"there-{number:04d}", f"tenant{number % 20}")
    return files


def _cluster(name: str, tenant: str) -> dict[str, str | bytes | None]:
    return {
        f"fleet/fleet-bootstrap/fleet-members/{HUB}/{name}.yaml": MEMBER.format(
            name=name, tenant=tenant
        ),
        f"addons/tenants/{tenant}/clusters/{name}/fleet/fleet-secret/values.yaml": PINS,
    }


def _too_many(goals: Goals) -> None:
    """A file of 100,000 clusters: the answer says how many and how many are taken, soon and in little."""
    rows = "".join(
        f"{HUB},many-{n},tenant1,dev,fleet/many-{n},default,true\n" for n in range(TOO_MANY)
    )
    data = f"{HEAD}\n{rows}".encode()
    tracemalloc.start()
    begun, said = time.perf_counter(), ""
    try:
        read(data)
    except Refused as refused:
        said = str(refused)
    took, (_, peak) = time.perf_counter() - begun, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    begun = time.perf_counter()
    with suppress(Refused):
        read(data)
    untraced = time.perf_counter() - begun
    print(
        f"a CSV of {TOO_MANY} clusters, {len(data) / 2**20:.1f} MiB: “{said}” ({took:.1f} s traced)"
    )
    goals.at_most("until that is said", untraced, 5, "s")
    goals.at_most("memory for that", peak / 2**20, 60, "MiB")


def _csv(secrets: FakeSecrets) -> bytes:
    lines = [HEAD]
    for number in range(ASKED):
        name, tenant, hub, channel = f"new-{number:04d}", f"tenant{number % 20}", HUB, "default"
        secret = f"fleet/{name}"
        match WRONG.get(number):
            case "a name that no cluster can have":
                name = "New_030"
            case "a tenant that cannot be":
                tenant = "Tenant One"
            case "a secret of another line":
                secret = "fleet/new-0001"  # noqa: S105 -- a name
            case "a channel that nobody releases":
                channel = "nightly"
            case "a cluster that is there":
                name = "there-0001"
            case "a hub that nobody knows":
                hub = "hub-nowhere"
        if WRONG.get(number) != "a secret that does not exist":
            secrets.add(secret)
        lines.append(f"{hub},{name},{tenant},dev,{secret},{channel},true")
    return "\n".join(lines).encode()


def _ours(bare: Path, secrets: FakeSecrets, goals: Goals) -> float:
    fleet = Fleet.objects.create(name="fleet", repository_url=str(bare), layout="tenants")
    Hub.objects.create(fleet=fleet, name=HUB)
    people = {
        name: User.objects.create_user(name, f"{name}@example.com") for name in ("rita", "arno")
    }
    people["rita"].groups.add(Group.objects.get(name="Requesters"))
    people["arno"].groups.add(Group.objects.get(name="Approvers"))
    repository = wiring.current_repository(fleet, max_age=0)
    indexing.index(fleet=fleet, repository=repository, clock=wiring.clock())
    before = repositories.tip(bare)
    data = _csv(secrets)
    begun = time.perf_counter()

    bulk: Bulk = _timed(
        "read the CSV and keep its rows",
        lambda: bulks.register(
            fleet=fleet,
            title=f"{ASKED} clusters",
            table=read(data),
            actor=User.objects.get(username="rita"),
            clock=wiring.clock(),
            queue=FakeQueue(),
        ),
    )
    _timed("check every row", _check_all)
    page = Client()
    page.force_login(User.objects.get(username="arno"))
    page.get("/bulk/")  # templates are read once
    _timed("the page that the approver sees", lambda: page.get(f"/bulk/{bulk.pk}/"))
    _timed("the same page once more", lambda: page.get(f"/bulk/{bulk.pk}/"))
    digest = bulks.digest_of(bulk)
    _timed(
        "approve all",
        lambda: bulks.approve(
            bulk_id=bulk.pk,
            digest=digest,
            actor=User.objects.get(username="arno"),
            clock=wiring.clock(),
            queue=FakeQueue(),
        ),
    )
    _timed(f"write {ASKED - len(WRONG)} commits", lambda: _deliver_all(fleet))
    took = time.perf_counter() - begun

    results = Counter(bulks.with_results(bulk.rows.all()).values_list("result", flat=True))
    subjects = repositories.git(bare, "log", "--format=%s", f"{before}..main").splitlines()
    goals.holds(
        f"{ASKED - len(WRONG)} clusters committed once each",
        f"{len(subjects)} commits of {len(set(subjects))} clusters",
        len(subjects) == len(set(subjects)) == ASKED - len(WRONG),
    )
    explained = bulk.rows.filter(change=None).exclude(problems=[]).order_by("number")
    for row in explained:
        column, sentence = row.problems[0]
        print(f"  line {row.number}, {column or 'as a whole'}: {sentence}")
    goals.holds(
        "7 rows refused, each with why",
        f"{explained.count()} of {results['refused']}",
        explained.count() == results["refused"] == len(WRONG),
    )
    return took


def _check_all() -> None:
    while bulk_checks.check_due(most=50):
        pass


def _deliver_all(fleet: Fleet) -> None:
    for _ in range(ASKED):
        report = deliveries.deliver(
            fleet_id=fleet.pk,
            repository=wiring.repository(fleet),
            clock=wiring.clock(),
            queue=FakeQueue(),
            worker="bench",
        )
        if not report.committed:
            return


def _floor(*, once: bool) -> float:
    """The same files, by a shell loop of plain git."""
    folder = FOLDER / f"floor-{once}"
    bare = repositories.bare_repository(folder / "fleet.git", _files())
    subprocess.run(["git", "clone", "--quiet", str(bare), str(folder / "clone")], check=True)
    push = "" if once else "git push --quiet origin HEAD;"
    script = [
        "set -e; export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com "
        "GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com"
    ]
    for number in range(ASKED - len(WRONG)):
        for path, text in _cluster(f"new-{number:04d}", f"tenant{number % 20}").items():
            script.append(f"mkdir -p $(dirname {path}); cat > {path} <<'END'\n{text}END")
        script.append(f"git add --all; git commit --quiet -m 'Register new-{number:04d}'; {push}")
    script.append("git push --quiet origin HEAD")
    begun = time.perf_counter()
    subprocess.run(["sh"], input="\n".join(script).encode(), cwd=folder / "clone", check=True)
    return time.perf_counter() - begun


def _timed(what: str, work: Callable[[], Any]) -> Any:
    """Do it, and say how long it took."""
    cpu, begun = _cpu(), time.perf_counter()
    result = work()
    print(f"{what}: {time.perf_counter() - begun:.2f} s (CPU {_cpu() - cpu:.2f} s)", flush=True)
    return result


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    sys.exit(main())
