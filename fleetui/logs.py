"""Logs are JSON lines on standard output, one shape for our own and for the libraries' records."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

import structlog

# What every record gets, whether it was written through structlog or through the standard library.
SHARED: Sequence[Any] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)


def but_streams_that_ended(_: Any, __: str, event: MutableMapping[str, Any]) -> Any:
    """Leave out that a page which listened was left: it is no warning, and one comes with each page."""
    if event.get("event") == "streaming_cancelled":
        raise structlog.DropEvent
    return event


def without_codes(_: Any, __: str, event: MutableMapping[str, Any]) -> Any:
    """Leave out what the identity provider sent by way of the browser: a code is as good as a sign-in."""
    path, question, _query = str(event.get("request", "")).partition("?")
    if question and path.endswith("/login/callback/"):
        event["request"] = path
    return event


def logging_config(*, level: str) -> dict[str, Any]:
    """Return the configuration for `logging.config.dictConfig`, and configure structlog."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            but_streams_that_ended,
            without_codes,
            *SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": list(SHARED),
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(),
                ],
            }
        },
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stdout",
                "formatter": "json",
            }
        },
        "root": {"handlers": ["stdout"], "level": level},
        "loggers": {
            # Django and uvicorn bring handlers of their own; without this each line comes twice.
            "django": {"handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            "uvicorn": {"handlers": [], "propagate": True},
            "uvicorn.access": {"level": "WARNING"},  # requests are logged by django-structlog
            # The vendors' debug records carry request bodies and headers.
            "boto3": {"level": "WARNING"},
            "botocore": {"level": "WARNING"},
            "urllib3": {"level": "WARNING"},
            "kubernetes": {"level": "WARNING"},
            "git": {"level": "WARNING"},
        },
    }
