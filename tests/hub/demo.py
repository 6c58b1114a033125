"""``./fleet demo --hub real``: the whole product beside a real hub, with one spoke there and one to register."""

from __future__ import annotations

import argparse
import base64
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from onboarding.demo.people import PEOPLE
from tests.hub import binaries
from tests.hub.account import give_account
from tests.hub.control_plane import ControlPlane
from tests.hub.fleet import Fleet, bootstrap, new_fleet
from tests.hub.harness import Hub, Spoke, real_hub
from tests.hub.processes import NotReady
from tests.hub.product import Product, product_beside

HUB = "hub-cluster"
REGISTERED, READY = "spoke-dev-workload1", "spoke-dev-workload2"


def main() -> int:
    """Run until Ctrl-C, or until one of the processes ends; returns the exit code."""
    parser = argparse.ArgumentParser(prog="./fleet demo --hub real", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="port of the pages, or the next")
    port = parser.parse_args().port
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if missing := binaries.missing(*binaries.OF_A_HUB):
            say(f"Building {', '.join(missing)}: about 20 minutes, once …")
        binaries.ensure(*binaries.OF_A_HUB)
        _run(port)
    except KeyboardInterrupt:
        say("\nStopped. Nothing of it is kept.")
        return 0
    except (binaries.GoMissing, binaries.BuildFailed, NotReady) as error:
        say(f"\n{error}")
        return 1
    return 0


def _run(port: int) -> NoReturn:
    say("Starting API servers, Argo CD and the External Secrets Operator …")
    with real_hub() as hub:
        fleet = new_fleet(hub, HUB)
        folder = hub.folder / "product"
        folder.mkdir()
        account = give_account(hub, folder)
        say("Bootstrapping the fleet …")
        bootstrap(fleet)
        spokes = (_spoke(hub, hub.spoke_plane, REGISTERED), _spoke(hub, _another(hub), READY))
        for spoke in spokes:
            hub.store_credentials(f"fleet/{spoke.name}", spoke.credentials)
        say("Starting the product …")
        with product_beside(hub, folder, port=port) as product:
            product.configure(fleet, account)
            fleet.register(spokes[0])
            _welcome(product, fleet)
            _watch_over(hub)


def _another(hub: Hub) -> ControlPlane:
    """One more spoke's API server: two clusters on one would fight for their objects."""
    plane = ControlPlane.prepare(hub.processes, "spoke2")
    plane.start(hub.spoke_etcd)
    plane.wait()
    plane.start_controllers()
    return plane


def _spoke(hub: Hub, plane: ControlPlane, name: str) -> Spoke:
    authority = base64.b64encode(plane.authority.read_bytes()).decode()
    tls = {"insecure": False, "caData": authority}
    return Spoke(name, plane.port, {"bearerToken": plane.token, "tlsClientConfig": tls})


def _welcome(product: Product, fleet: Fleet) -> None:
    lines = ["", f"  Fleet UI is ready: {product.ports.web_url}", ""]
    lines += [
        f"  {name:<15}{password:<20}{PEOPLE[name][1]}"
        for name, password in product.passwords.items()
    ]
    kubeconfig = Path(fleet.hub.plane.folder) / "kubeconfig"
    lines += [
        "",
        f"  {REGISTERED} is being registered; register {READY}, tenant1, dev, secret fleet/{READY}.",
        f"  The hub: kubectl --kubeconfig {kubeconfig}",
        f"  The repository: {fleet.bare}",
        f"  Logs: {fleet.hub.folder / 'logs'}; Ctrl-C stops, and takes all of it away.",
        "",
    ]
    say("\n".join(lines))


def _watch_over(hub: Hub) -> NoReturn:
    """Until Ctrl-C; raises NotReady when one of the processes has ended by itself."""
    while True:
        for name in hub.processes.programs:
            hub.processes.check_running(name)
        time.sleep(1)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def say(text: str) -> None:
    """Print at once: what the user waits for must not wait in a buffer."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
