"""`python -m onboarding.demo.hub`: one hub of the demo, a process of its own on loopback.

It speaks enough of the Kubernetes API and of Argo CD's that the product can talk to it by the same
clients as to a real hub. It says of itself that it is a demo: in its version and on its namespace.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from onboarding.demo.hub_acting import DemoHub
from onboarding.demo.hub_objects import BEHAVIOURS
from onboarding.demo.hub_server import DemoServer
from onboarding.demo.hub_sources import EndpointSecrets, NoSecrets, Secrets, open_snapshot
from onboarding.demo.hub_world import WorldReader
from onboarding.domain.errors import Refused
from onboarding.domain.layout import LAYOUTS
from onboarding.domain.names import GitRef, HubName

_STEP_SECONDS = 0.25
# After a step that failed; the next one tries again.
_PAUSE_SECONDS = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one demo hub until SIGTERM or SIGINT; prints its address when it is ready."""
    options = _parser().parse_args(arguments)
    try:
        hub = _build(options)
        server = DemoServer(options.port, hub)
    except (Refused, OSError) as error:
        print(f"The demo hub cannot start: {error}", file=sys.stderr)
        return 2
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    hub.look()
    _step(hub)
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    print(f"Demo hub {hub.name} at http://127.0.0.1:{server.server_port}", flush=True)
    acting = threading.Thread(target=_act, args=(hub, stop), daemon=True)
    acting.start()
    while not stop.wait(0.2):
        if not acting.is_alive():
            return 1
    hub.store.close()
    server.shutdown()
    server.server_close()
    return 0


def _act(hub: DemoHub, stop: threading.Event) -> None:
    while not stop.is_set():
        hub.wait(_STEP_SECONDS)
        if not _step(hub):
            stop.wait(_PAUSE_SECONDS)


def _step(hub: DemoHub) -> bool:
    try:
        hub.step()
    except Exception as error:
        print(f"The demo hub could not act: {type(error).__name__}: {error}", file=sys.stderr)
        return False
    return True


def _build(options: argparse.Namespace) -> DemoHub:
    repository = str(options.repository)
    branch = GitRef(options.branch)
    name = HubName(options.hub)
    secrets: Secrets = NoSecrets()
    if options.aws_endpoint:
        secrets = EndpointSecrets(endpoint=options.aws_endpoint, region=options.region)
    return DemoHub(
        name=name,
        namespace=options.namespace,
        region=options.region,
        reader=WorldReader(
            hub=name,
            layout=LAYOUTS[options.layout],
            url=options.repository_url or f"file://{repository}",
            branch=branch,
        ),
        repository=lambda: open_snapshot(repository, branch),
        secrets=secrets,
        faults=dict(options.fault),
        speed=options.speed,
        now=time.time,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m onboarding.demo.hub", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument(
        "--repository", type=_folder, required=True, help="the fleet's bare repository"
    )
    parser.add_argument("--repository-url", default="", help="the address that Applications show")
    parser.add_argument("--branch", default="main")
    parser.add_argument(
        "--hub", default="hub-cluster", help="the hub's name: its folder of members"
    )
    parser.add_argument("--namespace", default="argocd")
    parser.add_argument("--layout", choices=sorted(LAYOUTS), default="tenants")
    parser.add_argument(
        "--aws-endpoint", default="", help="Secrets Manager; without it every secret is there"
    )
    parser.add_argument("--region", default="eu-west-1")
    parser.add_argument(
        "--speed", type=_positive, default=1.0, help="2 is twice as fast as a real hub"
    )
    parser.add_argument(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="NAME=HOW",
        help="how a cluster, a cluster on one release channel (NAME@CHANNEL) or an Application ends: "
        f"{', '.join(sorted(BEHAVIOURS))}",
    )
    return parser


def _folder(text: str) -> Path:
    path = Path(text).resolve()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return path


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number <= 1000:
        raise argparse.ArgumentTypeError("must be above 0 and at most 1000")
    return number


def _fault(text: str) -> tuple[str, str]:
    name, _, how = text.partition("=")
    if not name or how not in BEHAVIOURS:
        raise argparse.ArgumentTypeError(
            f"must be NAME=HOW, HOW one of {', '.join(sorted(BEHAVIOURS))}"
        )
    return name, how


if __name__ == "__main__":
    raise SystemExit(main())
