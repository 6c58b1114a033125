"""The figures of the way to Git, for a monitoring system: read from the rows when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Count, Min
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from onboarding.domain.lifecycle import DeliveryState
from onboarding.models import Change, Delivery, DeliveryAttempt, Fleet, Heartbeat
from onboarding.services.delivery import writer_lease

_OPEN = (DeliveryState.QUEUED.value, DeliveryState.PUSHING.value)


def exposition(*, now: datetime) -> bytes:
    """All figures in Prometheus' text format.

    They come from the database, so any web process gives the same answer. No figure carries the
    name of a cluster, a person or an address.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Rows(now))
    return generate_latest(registry)


class _Rows(Collector):
    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterable[Metric]:
        yield from self._changes()
        yield from self._deliveries()
        yield from self._liveness()

    def _changes(self) -> Iterable[Metric]:
        changes = GaugeMetricFamily(
            "fleetui_changes", "Changes by the state of their decision.", labels=["state"]
        )
        for row in Change.objects.values("state").annotate(count=Count("pk")).order_by("state"):
            changes.add_metric([row["state"]], row["count"])
        yield changes

    def _deliveries(self) -> Iterable[Metric]:
        deliveries = GaugeMetricFamily(
            "fleetui_deliveries", "Approved changes by what became of them.",
            labels=["fleet", "state"],
        )  # fmt: skip
        alarms = GaugeMetricFamily(
            "fleetui_delivery_alarms", "Deliveries that need a person at the Git server.",
            labels=["fleet", "alarm"],
        )  # fmt: skip
        oldest = GaugeMetricFamily(
            "fleetui_delivery_oldest_seconds", "Age of the oldest approved change not in Git yet.",
            labels=["fleet"],
        )  # fmt: skip
        attempts = CounterMetricFamily(
            "fleetui_delivery_attempts", "Tries to push a change, by how they ended.",
            labels=["outcome"],
        )  # fmt: skip
        by_state = Delivery.objects.values("fleet__name", "state").annotate(count=Count("pk"))
        for row in by_state.order_by("fleet__name", "state"):
            deliveries.add_metric([row["fleet__name"], row["state"]], row["count"])
        raised = Delivery.objects.exclude(alarm="").values("fleet__name", "alarm")
        for one in raised.annotate(count=Count("pk")).order_by("fleet__name", "alarm"):
            alarms.add_metric([one["fleet__name"], one["alarm"]], one["count"])
        waiting = dict(
            Delivery.objects.filter(state__in=_OPEN)
            .values_list("fleet__name")
            .annotate(first=Min("queued_at"))
        )
        for name in Fleet.objects.values_list("name", flat=True):
            oldest.add_metric([name], self._age(waiting.get(name, self._now)))
        ended = DeliveryAttempt.objects.values("outcome").annotate(count=Count("pk"))
        for tried in ended.order_by("outcome"):
            attempts.add_metric([tried["outcome"] or "under_way"], tried["count"])
        yield from (deliveries, alarms, oldest, attempts)

    def _liveness(self) -> Iterable[Metric]:
        loops = GaugeMetricFamily(
            "fleetui_loop_age_seconds", "Time since a part last completed its loop.",
            labels=["part"],
        )  # fmt: skip
        writing = GaugeMetricFamily(
            "fleetui_writer_active", "Whether a worker holds the fleet's writer lease.",
            labels=["fleet"],
        )  # fmt: skip
        for part, at in Heartbeat.objects.values_list("part", "at"):
            loops.add_metric([part], self._age(at))
        held = set(writer_lease.held().values_list("fleet__name", flat=True))
        for name in Fleet.objects.values_list("name", flat=True):
            writing.add_metric([name], int(name in held))
        yield from (loops, writing)

    def _age(self, moment: datetime) -> float:
        return max(0.0, (self._now - moment).total_seconds())
