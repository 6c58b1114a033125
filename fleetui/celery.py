"""The Celery application: `celery -A fleetui.celery worker` and `beat`."""

from __future__ import annotations

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleetui.settings")

app = Celery("fleetui")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.steps["worker"].add(DjangoStructLogInitStep)
app.autodiscover_tasks()


@setup_logging.connect
def use_the_projects_logs(**_: Any) -> None:
    """Keep Celery from setting up logs of its own."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
