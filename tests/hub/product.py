"""The whole product beside a real hub: its own processes and data, used as people use it, by its pages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onboarding.demo.processes import Ports, environment, next_free_port, product_processes
from tests.hub.account import Account
from tests.hub.browsing import Browser, text_of
from tests.hub.controllers import REGION
from tests.hub.fleet import BRANCH, Fleet, fresh_fleet
from tests.hub.harness import Hub, eventually
from tests.hub.processes import free_ports

HOME = Path(__file__).resolve().parents[2]
FLEET = "platform"
_STATE = re.compile(r'fui-state-large"><span class="fui-dot"[^>]*></span>([^<]+)</span>')
_SENTENCE = re.compile(r'<p class="fui-panel-sentence">(.*?)</p>', re.S)
_CONFIRM = re.compile(r'for="decide-confirm">[^<]*<code>([^<]+)</code>')
_CHANGE = re.compile(r"/changes/(\d+)/")


@dataclass(frozen=True)
class ClusterPage:
    """What the page of a cluster says: its state in a word, the sentence beside it, all of its words."""

    state: str
    sentence: str
    text: str


@dataclass
class Product:
    """The product's processes, and a browser for each of its people."""

    hub: Hub
    ports: Ports
    folder: Path
    passwords: Mapping[str, str]
    browsers: dict[str, Browser] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names of its processes among those of the hub."""
        return [f"product-{each.name}" for each in product_processes(ports=self.ports)]

    def person(self, name: str) -> Browser:
        """The browser of one of its people, signed in."""
        if name not in self.browsers:
            browser = self.browsers[name] = Browser(self.ports.web_url)
            who = {"username": name, "password": self.passwords[name]}
            browser.send("/login/", who, having="password")
            assert "Overview" in browser.get("/"), f"{name} is not signed in"
        return self.browsers[name]

    def configure(self, fleet: Fleet, account: Account) -> None:
        """What an administrator enters: the repository, and the hub with its two tokens."""
        repository = {"name": FLEET, "repository_url": str(fleet.bare), "branch": BRANCH}
        self.person("administrator").send("/admin/fleets/add/", repository, having="repository_url")
        self.add_hub(fleet, account)

    def add_hub(self, fleet: Fleet, account: Account) -> None:
        """What an administrator enters for a hub of the fleet; waits until it is seen."""
        hub = {
            "name": fleet.name,
            "api_url": fleet.hub.plane.server,
            "api_token_file": str(account.kubernetes_token),
            "api_ca_file": str(account.authority),
            "argocd_url": fleet.hub.argocd.url,
            "argocd_token_file": str(account.argocd_token),
            "link_url": fleet.hub.argocd.url,
            "aws_region": REGION,
            "aws_endpoint_url": fleet.hub.aws.url,
        }
        self.person("administrator").send("/admin/hubs/add/", hub, having="api_token_file")
        eventually(lambda: self.hub_is_seen(fleet.name), f"the product sees hub {fleet.name}", 90)

    def hub_is_seen(self, name: str) -> bool:
        """Whether the overview shows the hub as connected."""
        found = re.search(rf"Hubs.*?{name}.*?Connected", text_of(self.person("requester").get("/")))
        return found is not None

    def register(self, cluster: str, **fields: str) -> int:
        """Fill in the form for a cluster and ask for approval; returns the change's number."""
        entered = {
            "cluster": cluster,
            "tenant": "tenant1",
            "environment": "dev",
            "secret_name": f"fleet/{cluster}",
            **fields,
        }
        place = "&".join(f"{key}={entered[key]}" for key in ("tenant", "environment"))
        return self._ask(f"/clusters/register/?{place}", entered)

    def edit(self, hub: str, cluster: str, **fields: str) -> int:
        """Change a registered cluster in its form and ask for approval; returns the change's number."""
        return self._ask(f"/clusters/{hub}/{cluster}/edit/", fields)

    def _ask(self, path: str, entered: Mapping[str, str]) -> int:
        answer = self.person("requester").send(path, entered, having="model")
        found = _CHANGE.search(answer.url)
        assert found, f"It was not asked for: {text_of(answer.text)[:3000]}"
        return int(found[1])

    def approve(self, change: int) -> None:
        """The other person reads the plan and approves exactly that."""
        approver, path = self.person("approver"), f"/changes/{change}/"
        asked = _CONFIRM.search(approver.get(path))
        typed = {"reason": "As agreed.", "confirm": asked[1]} if asked else {}
        approver.send(path, typed, having="digest")

    def plan(self, change: int) -> Mapping[str, Any]:
        """The plan that was shown and approved, as the product keeps it."""
        code = (
            "import json; from onboarding.models import Change; "
            f"print(json.dumps(Change.objects.get(pk={change}).plan))"
        )
        plan: Mapping[str, Any] = json.loads(self._manage("shell", "-v0", "-c", code))
        return plan

    def cluster(self, hub: str, name: str, tab: str = "applications") -> ClusterPage:
        """The page of one cluster, as anybody may see it."""
        page = self.person("requester").find(f"/clusters/{hub}/{name}/?tab={tab}")
        if page is None:
            return ClusterPage("", "", "There is no such page.")
        state, sentence = _STATE.search(page), _SENTENCE.search(page)
        assert state, text_of(page)
        return ClusterPage(
            state[1].strip(), text_of(sentence[1]) if sentence else "", text_of(page)
        )

    def wait_for(
        self, hub: str, cluster: str, says: Callable[[ClusterPage], bool], seconds: float = 60
    ) -> ClusterPage:
        """Waits until the page of a cluster says something; fails with what it said last."""
        last: list[ClusterPage] = []

        def said() -> bool:
            last[:] = [self.cluster(hub, cluster)]
            return says(last[0])

        try:
            eventually(said, f"the page of {cluster}", seconds, pause=0.25)
        except Exception as error:
            error.add_note(str(last))
            raise
        return last[0]

    def overview(self) -> str:
        """The words of the first page."""
        return text_of(self.person("requester").get("/"))

    def _manage(self, *arguments: str) -> str:
        return manage(self.environment, *arguments)

    @property
    def environment(self) -> dict[str, str]:
        """What its processes are told."""
        return product_environment(self.ports, self.folder)


def product_environment(ports: Ports, folder: Path) -> dict[str, str]:
    """What the product's processes are told: the product's own settings, never those of the tests."""
    given = environment(ports=ports, data_folder=folder)
    return {key: value for key, value in given.items() if key != "DJANGO_SETTINGS_MODULE"}


def manage(environment: Mapping[str, str], *arguments: str) -> str:
    """Runs one of the product's management commands to its end; returns what it printed."""
    done = subprocess.run(
        [sys.executable, str(HOME / "manage.py"), *arguments],
        env=dict(environment), cwd=HOME, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, f"manage.py {arguments[0]}: {done.stderr[-3000:]}"
    return done.stdout


@contextmanager
def product_beside(hub: Hub, folder: Path, *, port: int = 8100) -> Iterator[Product]:
    """Starts the product among the hub's processes, with people but neither fleet nor hub, and ends it."""
    ports = Ports(next_free_port(port), *free_ports(3))
    told = product_environment(ports, folder)
    manage(told, "migrate", "--verbosity=0")
    manage(told, "collectstatic", "--verbosity=0", "--no-input")
    people = "from pathlib import Path; from onboarding.demo.people import make_people"
    manage(told, "shell", "-v0", "-c", f"{people}; make_people(Path({str(folder)!r}))")
    product = Product(hub, ports, folder, json.loads((folder / "sign-ins.json").read_text()))
    try:
        for each in product_processes(ports=ports):
            command = [sys.executable, *each.arguments]
            if each.name == "broker":  # as in production, and Argo CD needs one here anyway
                command = ["redis-server", "--bind", "127.0.0.1", "--port", str(ports.broker)]
                command += ["--save", "", "--appendonly", "no"]
            hub.processes.start(f"product-{each.name}", command, told, HOME)
        for each in product_processes(ports=ports):
            hub.processes.wait(f"product-{each.name}", each.is_ready)
        yield product
    finally:
        for browser in product.browsers.values():
            browser.close()
        started = [name for name in product.names if name in hub.processes.programs]
        hub.processes.stop(*reversed(started))


@dataclass(frozen=True)
class House:
    """A fresh fleet on the real hub, and the product that was told of both."""

    fleet: Fleet
    product: Product
    account: Account

    @property
    def hub(self) -> Hub:
        """The hub."""
        return self.fleet.hub

    def page(
        self, cluster: str, says: Callable[[ClusterPage], bool], seconds: float = 60
    ) -> ClusterPage:
        """Waits until the page of a cluster says something; fails with what it said last."""
        return self.product.wait_for(self.fleet.name, cluster, says, seconds)

    def healthy(self, cluster: str, seconds: float = 120) -> ClusterPage:
        """Waits until the page of a cluster says Healthy."""
        return self.page(cluster, lambda page: page.state == "Healthy", seconds)


@contextmanager
def product_on_a_fresh_fleet(hub: Hub, account: Account, folder: Path) -> Iterator[House]:
    """A fresh fleet, and the product configured for it by its own administration pages."""
    with fresh_fleet(hub) as fleet, product_beside(hub, folder) as product:
        add_probes(fleet)
        product.configure(fleet, account)
        yield House(fleet, product, account)


# Small components, each in a namespace of its own: one for each cluster of a test. All simulated
# spokes are one API server, where two clusters with one component would fight for its objects.
PROBES = tuple(f"probe-{letter}" for letter in "abcdefghij")
_USUAL = ("cluster_info", "monitoring_settings", "namespace_baseline", "quota_defaults")


def add_probes(fleet: Fleet) -> None:
    """The fleet's catalogue has the probes, and the hub their ApplicationSets."""
    path = "charts/application-sets/values.yaml"
    lines = "".join(
        f"  {name}: {{group: addons, flag: {_flag(name)}, namespace: {name}, "
        "source: {path: charts/cluster-info}, clusterValues: {cluster: name}}\n"
        for name in PROBES
    )
    text = (fleet.work / path).read_text()
    fleet.commit({path: text.replace("components:\n", f"components:\n{lines}", 1)}, "Add probes")
    fleet.refresh(f"bootstrap-addons-{fleet.name}")
    eventually(
        lambda: fleet.hub.kube.get("ApplicationSet", PROBES[-1]), f"there is a set {PROBES[-1]}"
    )


def only(probe: str) -> dict[str, str]:
    """What is entered in the form for a cluster that shall have this probe and nothing else."""
    return {f"pin_enable_{name}": "false" for name in _USUAL} | {f"pin_{_flag(probe)}": "true"}


def _flag(name: str) -> str:
    return f"enable_{name.replace('-', '_')}"
