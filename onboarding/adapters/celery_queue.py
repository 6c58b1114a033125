"""The bell that wakes Celery workers. The work is rows; a bell that nobody hears costs seconds."""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery
from kombu.exceptions import KombuError, OperationalError

_log = logging.getLogger(__name__)

# Ringing may not hold up who rings: one quick try, then the sweeper's next beat has to do.
_ONE_QUICK_TRY = {
    "max_retries": 0,
    "interval_start": 0,
    "interval_step": 0,
    "socket_connect_timeout": 1.0,
    "socket_timeout": 2.0,
}


class CeleryQueue:
    """`WorkQueue` on a Celery application's broker."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def wake(self, task: str, **identifiers: str | int) -> None:
        """Ask for one run of the named task soon; never raises, a broker that is away is logged.

        `identifiers` become the task's keyword arguments: ids of rows only, so that nothing worth
        keeping and nothing secret is in the broker.
        """
        try:
            with self._app.connection_for_write() as connection:
                options: dict[str, Any] = dict(connection.transport_options or {})
                connection.transport_options = options | _ONE_QUICK_TRY
                self._app.send_task(
                    task,
                    kwargs=identifiers,
                    connection=connection,
                    retry=False,
                    ignore_result=True,
                )
        except (KombuError, OperationalError, OSError) as error:
            # The text of a connection error may hold the broker's address with its password.
            _log.warning("The broker is away; %s waits for the sweeper (%s).", task, _kind(error))


def _kind(error: BaseException) -> str:
    return type(error.__cause__ or error).__name__
