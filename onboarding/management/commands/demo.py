"""`./fleet demo`: the whole product on this machine, with a demo fleet, hub and users."""

from __future__ import annotations

import fcntl
import logging
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from onboarding.demo import data
from onboarding.demo.people import PEOPLE, make_people
from onboarding.demo.processes import (
    DemoManager,
    LogFiles,
    Ports,
    demo_processes,
    environment,
    wait_until_ready,
)


class Command(BaseCommand):
    """Sets up the data folder, starts everything, says where it is, and stops it on Ctrl-C."""

    help = "Run the whole product on this machine, with a demo fleet and a demo hub."
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The port of the pages may be chosen."""
        parser.add_argument(
            "--port", type=int, default=8000, help="port of the pages (or the next free one)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until Ctrl-C, or until one of the processes ends."""
        if not settings.EMBEDDED:
            raise CommandError("The demo never runs on a real installation. Use: ./fleet demo")
        folder = Path(settings.DATA_FOLDER)
        with _only_demo_of(folder):
            # What the product logs while it is filled is no news for who waits for it to start.
            logging.getLogger("onboarding").setLevel(logging.WARNING)
            ports = Ports.choose(wanted_web=options["port"])
            say(self, "Setting up the database and the pages …")
            call_command("migrate", verbosity=0, interactive=False)
            call_command("collectstatic", verbosity=0, interactive=False)
            sign_ins = make_people(folder)
            _Run(self, ports=ports, folder=folder, sign_ins=sign_ins).until_the_end()


class _Run:
    """One run of the demo's processes: started, filled, announced, ended, explained."""

    def __init__(
        self, command: Command, *, ports: Ports, folder: Path, sign_ins: Mapping[str, str]
    ) -> None:
        self._command = command
        self._ports = ports
        self._folder = folder
        self._sign_ins = sign_ins
        self._processes = demo_processes(
            ports=ports,
            repository=data.prepare_repository(folder),
            hub=data.HUB,
            region=data.REGION,
            faults=data.FAULTS,
        )
        self._manager = DemoManager(LogFiles(folder / "logs"), meanwhile=self._get_ready)
        self._late: list[str] = []
        self._trouble = ""

    def until_the_end(self) -> None:
        """Start the processes; return after Ctrl-C, raise CommandError if they end otherwise."""
        env = environment(ports=self._ports, data_folder=self._folder)
        for process in self._processes:
            self._manager.add(process, env=env, folder=settings.BASE_DIR)
        self._say(f"Starting {', '.join(process.name for process in self._processes)} …")
        self._manager.loop()
        self._explain()

    def _get_ready(self) -> None:
        stopping = self._manager.stopping
        try:
            # The embedded Secrets Manager keeps nothing: it is filled anew at each start.
            secrets = [process for process in self._processes if process.name == "secrets"]
            self._late = wait_until_ready(secrets, stopping=stopping)
            if not self._late and not stopping.is_set():
                data.prepare(
                    self._folder,
                    hub_url=self._ports.hub_url,
                    argocd_url=self._ports.hub_url,
                    aws_endpoint=self._ports.secrets_url,
                )
                self._late = wait_until_ready(self._processes, stopping=stopping)
        except Exception as error:
            # Whatever it is, it must end the demo and be seen, not die with this thread; but what
            # fails because the demo is stopping is no trouble.
            if not stopping.is_set():
                self._trouble = f"The demo fleet could not be made: {error!r}"
        finally:
            connection.close()
        if stopping.is_set():
            return
        if self._late or self._trouble:
            self._manager.terminate()
        else:
            self._welcome()

    def _welcome(self) -> None:
        address = self._command.style.SUCCESS(self._ports.web_url)
        people = [
            f"  {name:<15}{password:<20}{PEOPLE[name][1]}"
            for name, password in self._sign_ins.items()
        ]
        place = f"  Data and logs are in {_shown(self._folder)}; Ctrl-C stops."
        self._say("\n".join(["", f"  Fleet UI is ready: {address}", "", *people, "", place, ""]))

    def _explain(self) -> None:
        manager = self._manager
        what = "was not ready in time" if self._late else "ended by itself"
        for name in self._late or manager.died:
            log = manager.logs.path(name)
            self._say(f"\n{name} {what}. The end of {_shown(log)}:")
            self._say(manager.logs.last_lines(name))
        if self._late or manager.died or self._trouble:
            raise CommandError(f"{self._trouble}\nThe demo has stopped.".lstrip())
        self._say(f"\nStopped. The data stays in {_shown(self._folder)} for the next time.")

    def _say(self, text: str) -> None:
        say(self._command, text)


def say(command: BaseCommand, text: str) -> None:
    """Print at once: what the user waits for must not wait in a buffer."""
    command.stdout.write(text)
    command.stdout.flush()


def _only_demo_of(folder: Path) -> IO[str]:
    """Hold the data folder's lock while the demo runs; it ends with the process."""
    lock = (folder / "demo.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise CommandError(
            f"A demo already runs on {_shown(folder)}. Stop it first (Ctrl-C in its terminal)."
        ) from error
    return lock


def _shown(path: Path) -> str:
    """A path as the user would type it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
