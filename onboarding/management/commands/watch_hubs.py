"""`manage.py watch_hubs`: observe the hubs, all of them or some, until told to stop."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, close_old_connections

from onboarding import wiring
from onboarding.domain.errors import FleetError
from onboarding.management import memory
from onboarding.models import Hub
from onboarding.ports import HubKind, HubReader
from onboarding.services.observing import hub_parts, loops, observations, watching

_LOG = logging.getLogger(__name__)
# How often new, changed and taken-over hubs are looked for.
_ROUND_SECONDS = 5.0
_STOP_SECONDS = 2.0
_SWITCH_SECONDS = 0.001


class HubObserver:
    """The threads that observe one hub, from its claim to its release."""

    def __init__(self, hub: Hub, holder: str) -> None:
        """Prepare for a hub as it is configured now; `start` begins."""
        self.hub = hub
        self.configuration = configuration_of(hub)
        self._holder = holder
        self._observed: loops.Observed | None = None
        self._reader: HubReader | None = None
        self._threads: list[threading.Thread] = []

    @property
    def running(self) -> bool:
        """Whether this process observes the hub now."""
        return self._observed is not None and not self._observed.over

    def start(self) -> None:
        """Claim the hub and start its loops, where no other watcher observes it."""
        clock = wiring.clock()
        watch = observations.claim(hub=self.hub, holder=self._holder, clock=clock)
        if watch is None:
            return
        try:
            reader, argocd = wiring.hub_reader(self.hub), wiring.argocd(self.hub)
        except FleetError as error:
            hub_parts.report_problem(
                watch=watch, part="configuration", problem=str(error), clock=clock
            )
            observations.release(watch=watch)
            return
        self._reader = reader
        self._observed = loops.Observed(
            watch=watch,
            hub=self.hub,
            reader=reader,
            argocd=argocd,
            credentials=wiring.credentials(self.hub),
            clock=clock,
            stop=threading.Event(),
            lost=threading.Event(),
        )
        self._threads = [
            threading.Thread(target=loop.run, daemon=True, name=f"{self.hub.name}:{loop.part}")
            for loop in watching.loops_of(self._observed)
        ]
        for thread in self._threads:
            thread.start()
        _LOG.info("Observing hub %s", self.hub.name)

    def ask_to_stop(self) -> None:
        """Tell the loops to end; a watch that waits for events ends at once."""
        if self._observed is not None and self._reader is not None:
            self._observed.stop.set()
            self._reader.close()

    def wait(self, until: float) -> None:
        """Wait for the loops until monotonic time `until`, then let others observe the hub."""
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        if self._observed is not None:
            try:
                observations.release(watch=self._observed.watch)
            except DatabaseError:
                _LOG.warning(
                    "Hub %s could not be released; its lease ends by itself", self.hub.name
                )
            self._observed = None


def configuration_of(hub: Hub) -> tuple[Any, ...]:
    """Everything that says how a hub is reached; another value means to connect anew."""
    return tuple(getattr(hub, field.attname) for field in hub._meta.concrete_fields)


class Command(BaseCommand):
    """Observe hubs: a thread for each kind of object, one process for as many hubs as given."""

    help = "Watch the hubs and write down what they say. Stops on SIGTERM or Ctrl-C."
    # It has no page and no API: to load both only in order to check them takes a second, and memory.
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The hubs to watch, and whether to look only once."""
        parser.add_argument(
            "--hub", action="append", default=[], help="a hub's name; else all hubs"
        )
        parser.add_argument("--once", action="store_true", help="list everything once, then end")

    def handle(self, *_: Any, **options: Any) -> None:
        """Watch until told to stop; with --once, look once and fail where a hub was not read."""
        memory.settle()
        # A thread that waits for the database gets its answer at once, not after 5 ms of each other's.
        sys.setswitchinterval(_SWITCH_SECONDS)
        holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        names: list[str] = options["hub"]
        known = set(Hub.objects.filter(name__in=names).values_list("name", flat=True))
        if missing := [name for name in names if name not in known]:
            raise CommandError(
                f"There is no hub called {missing[0]}. Add it in the administration."
            )
        if options["once"]:
            self._once(names, holder)
        else:
            self._watch(names, holder)

    def _once(self, names: Sequence[str], holder: str) -> None:
        failed = 0
        for hub in _hubs(names):
            try:
                self.stdout.write(look_once(hub, holder))
            except FleetError as error:
                failed += 1
                self.stderr.write(f"{hub.name}: {error}")
        if failed:
            raise CommandError(f"{failed} of the hubs could not be observed.")

    def _watch(self, names: Sequence[str], holder: str) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        observers: dict[int, HubObserver] = {}
        self.stdout.write("Watching hubs.")
        while not stop.is_set():
            close_old_connections()
            try:
                self._round(observers, names, holder)
            except DatabaseError:
                _LOG.exception("The list of hubs could not be read")
            stop.wait(_ROUND_SECONDS)
        _stop(list(observers.values()))
        # Threads that still wait for a silent hub are daemons; what they would write is fenced.
        self.stdout.write("Stopped.")
        sys.stdout.flush()

    def _round(self, observers: dict[int, HubObserver], names: Sequence[str], holder: str) -> None:
        """Start hubs that are new, stop those that are gone, begin anew with those that changed."""
        hubs = {hub.pk: hub for hub in _hubs(names)}
        old = [
            observer
            for key, observer in observers.items()
            if key not in hubs
            or configuration_of(hubs[key]) != observer.configuration
            or not observer.running
        ]
        _stop(old)
        for observer in old:
            del observers[observer.hub.pk]
        for key, hub in hubs.items():
            if key not in observers:
                observers[key] = HubObserver(hub, f"{holder}:{hub.pk}")
                observers[key].start()


def look_once(hub: Hub, holder: str) -> str:
    """List every kind of one hub and its clusters once; returns a sentence, raises `FleetError`."""
    clock = wiring.clock()
    watch = observations.claim(hub=hub, holder=holder, clock=clock)
    if watch is None:
        raise FleetError("another watcher observes it now; it needs no second one.")
    try:
        reader, argocd = wiring.hub_reader(hub), wiring.argocd(hub)
        clusters = observations.observe_clusters(watch=watch, argocd=argocd, clock=clock)
        found = [
            observations.list_kind(watch=watch, kind=kind, reader=reader, clock=clock)
            for kind in HubKind
        ]
    finally:
        observations.release(watch=watch)
    counts = ", ".join(f"{listing.count} {listing.kind.value}" for listing in found)
    return f"{hub.name}: {clusters} clusters, {counts}"


def _hubs(names: Sequence[str]) -> list[Hub]:
    hubs = Hub.objects.all()
    return list(hubs.filter(name__in=names) if names else hubs)


def _stop(observers: Sequence[HubObserver]) -> None:
    for observer in observers:
        observer.ask_to_stop()
    until = time.monotonic() + _STOP_SECONDS
    for observer in observers:
        observer.wait(until)
