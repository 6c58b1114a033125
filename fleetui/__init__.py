"""The Django project: settings, start-up and addresses; it knows nothing about fleets."""

from __future__ import annotations

from fleetui.celery import app as celery_app

__all__ = ["celery_app"]
