"""The Celery application: `celery -A fleetui.celery worker` and `beat`."""

from __future__ import annotations

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu.transport.redis import QoS

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleetui.settings")

# Messages that a worker has not begun are not given back when it loses the broker: trying that on a
# connection that is gone ends the worker, and the rows are the queue: a sweep rings again.
QoS.restore_at_shutdown = False

app = Celery("fleetui")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.steps["worker"].add(DjangoStructLogInitStep)
app.autodiscover_tasks()


@setup_logging.connect
def use_the_projects_logs(**_: Any) -> None:
    """Keep Celery from setting up logs of its own."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
