"""Notices: what people and their tools are told of, and in which words. Pure data in, texts out."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class Topic(StrEnum):
    """What can be told; the value is what is stored."""

    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"
    LAPSED = "lapsed"
    DELIVERED = "delivered"
    FAILED = "failed"
    DIFFERED = "differed"
    AGREED = "agreed"
    HALTED = "halted"
    STOPPED = "stopped"

    @property
    def words(self) -> str:
        """For a form."""
        return _WORDS[self]


_WORDS = {
    Topic.SUBMITTED: "A change asks for approval",
    Topic.APPROVED: "A change was approved",
    Topic.REJECTED: "A change was rejected",
    Topic.LAPSED: "An approval lapsed, or another one is needed",
    Topic.DELIVERED: "A change is in Git",
    Topic.FAILED: "A delivery failed or was not what was approved",
    Topic.DIFFERED: "The hub did something else than was foreseen",
    Topic.AGREED: "The hub did what was foreseen",
    Topic.HALTED: "A rollout paused because a cluster is not well",
    Topic.STOPPED: "Deliveries were stopped, or go on",
}
_OF_VERB = {
    "change.submitted": Topic.SUBMITTED,
    "change.resubmitted": Topic.SUBMITTED,
    "change.approved": Topic.APPROVED,
    "change.rejected": Topic.REJECTED,
    "change.lapsed": Topic.LAPSED,
    "change.recalled": Topic.LAPSED,
    "change.committed": Topic.DELIVERED,
    "delivery.failed": Topic.FAILED,
    "delivery.diverged": Topic.FAILED,
    "delivery.merged_differently": Topic.FAILED,
    "delivery.foreign_trailer": Topic.FAILED,
    "outcome.differed": Topic.DIFFERED,
    "outcome.agreed": Topic.AGREED,
    "rollout.paused": Topic.HALTED,
    "fleet.stopped": Topic.STOPPED,
    "fleet.resumed": Topic.STOPPED,
}
MOST_TRIES = 8
_FIRST_WAIT = timedelta(seconds=30)
_LONGEST_WAIT = timedelta(hours=1)
_LONGEST_TEXT = 500


class Format(StrEnum):
    """How a webhook's receiver wants to be told."""

    JSON = "json"
    SLACK = "slack"


@dataclass(frozen=True, slots=True)
class Told:
    """What a notice says of one event. `url` is "" where the installation's own address is not set."""

    number: int
    verb: str
    at: datetime
    message: str
    fleet: str = ""
    change: int | None = None
    kind: str = ""
    hub: str = ""
    cluster: str = ""
    tenant: str = ""
    environment: str = ""
    url: str = ""

    @property
    def subject(self) -> str:
        """One line: the cluster or fleet, and what happened."""
        about = self.cluster or self.fleet or "Fleet UI"
        topic = topic_of(self.verb)
        what = topic.words if topic else "A test"
        return f"[{about}] {what}{f' (#{self.change})' if self.change else ''}"

    @property
    def sentence(self) -> str:
        """What happened, bounded."""
        one_line = " ".join(self.message.split())
        return one_line if len(one_line) <= _LONGEST_TEXT else f"{one_line[:_LONGEST_TEXT]}…"


def topic_of(verb: str) -> Topic | None:
    """What an event of the trail is told as; None where nobody is told."""
    return _OF_VERB.get(verb)


def mail_of(told: Told) -> tuple[str, str]:
    """Subject and text of an e-mail."""
    lines = [told.sentence, ""]
    facts = (
        ("Cluster", told.cluster),
        ("Hub", told.hub),
        ("Tenant", told.tenant),
        ("Environment", told.environment),
        ("Fleet", told.fleet),
    )
    lines += [f"{name}: {value}" for name, value in facts if value]
    lines += ["", told.url] if told.url else []
    return told.subject, "\n".join(lines).strip() + "\n"


def body_of(told: Told, form: Format) -> bytes:
    """The body that a webhook's receiver gets, as UTF-8 JSON."""
    data: Mapping[str, Any]
    if form is Format.SLACK:
        text = f"*{_slack(told.subject)}*\n{_slack(told.sentence)}"
        data = {"text": f"{text}\n<{told.url}|Open the change>" if told.url else text}
    else:
        topic = topic_of(told.verb)
        data = {
            "format": 1,
            "topic": topic.value if topic else "test",
            "event": {"number": told.number, "verb": told.verb, "at": told.at.isoformat()},
            "message": told.sentence,
            "fleet": told.fleet,
            "change": told.change
            and {
                "number": told.change,
                "kind": told.kind,
                "hub": told.hub,
                "cluster": told.cluster,
                "tenant": told.tenant,
                "environment": told.environment,
                "url": told.url,
            },
        }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def signature(secret: str, *, timestamp: str, body: bytes) -> str:
    """What a receiver compares: HMAC-SHA-256 (hex) over the timestamp, a full stop and the body."""
    signed = timestamp.encode() + b"." + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def wait_after(tries: int) -> timedelta | None:
    """How long to wait after a try that failed; None where it was the last."""
    if tries >= MOST_TRIES:
        return None
    longer: int = 2 ** (tries - 1)
    return min(_FIRST_WAIT * longer, _LONGEST_WAIT)


def _slack(text: str) -> str:
    """Text in which Slack sees no link, mention or markup of its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
