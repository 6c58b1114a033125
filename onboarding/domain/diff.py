"""One value, three views: a plan's unified diff, its commit message and its digest."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence

from onboarding.domain.errors import Refused
from onboarding.domain.intents import EditCluster, EditLayer, LeaveFleet, RegisterCluster
from onboarding.domain.plans import ApplicationForecast, FileEdit, Impact, Plan, sha256

DIGEST_FORMAT = 1
"""The version of what a digest covers; it changes with the shape of `digest_data`."""

_VERBS = {RegisterCluster.kind: "Register", EditCluster.kind: "Edit", LeaveFleet.kind: "Offboard"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def unified(what: FileEdit | Plan) -> str:
    """The unified diff of one edit, or of all edits of a plan, in the form that `git diff` prints.

    Line ends stay visible as they are in the file; "" where nothing changes.
    """
    edits = what.edits if isinstance(what, Plan) else (what,)
    return "".join(line for edit in edits for line in _lines(edit))


def _lines(edit: FileEdit) -> Iterator[str]:
    before = "/dev/null" if edit.before is None else f"a/{edit.path}"
    after = "/dev/null" if edit.after is None else f"b/{edit.path}"
    for line in difflib.unified_diff(
        _split(edit.before or ""), _split(edit.after or ""), before, after
    ):
        yield line
        if not line.endswith("\n"):
            yield "\n\\ No newline at end of file\n"


def _split(text: str) -> list[str]:
    """Lines as Git counts them: only a line feed ends one, so a carriage return is shown."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


def commit_message(
    plan: Plan,
    *,
    change_id: str,
    requester: str,
    approvers: Sequence[str],
    digest: str,
    audit_head: str = "",
) -> str:
    """Subject, body and trailers of the commit that delivers a plan.

    `change_id` and `digest` are what the remote is searched for afterwards; people are named as
    `Name <address>` or by their user name. `audit_head` is where the audit trail ended when the plan
    was checked: whoever cuts or replaces the trail later contradicts Git. Raises
    `Refused` where a trailer would be empty, or where a name could begin a line or trailer of its own.
    """
    trailers = [
        _trailer("Change-Id", change_id),
        _trailer("Requested-by", requester),
        *(_trailer("Approved-by", approver) for approver in sorted(set(approvers))),
        _trailer("Plan-Digest", digest),
        *([_trailer("Audit-Head", audit_head)] if audit_head else []),
    ]
    subject, about = _about(plan)
    body = [about, *_step(plan), *_summary(plan.impact)]
    return "\n".join([subject, "", *body, "", *trailers, ""])


def _about(plan: Plan) -> tuple[str, str]:
    """What the commit does, and to whom."""
    if isinstance(plan.intent, EditLayer):
        moved = len(plan.moved)
        return (
            f"Edit {plan.intent.path}",
            f"Moves {moved} cluster{'' if moved == 1 else 's'}.",
        )
    placement = plan.intent.placement
    return (
        f"{_VERBS[plan.intent.kind]} cluster {placement.cluster} on hub {placement.hub}",
        f"Tenant {placement.tenant}, environment {placement.environment}, "
        f"{plan.intent.model.name.lower()} model.",
    )


def _step(plan: Plan) -> Iterator[str]:
    """Which step of its way out a cluster takes by this commit."""
    step = plan.way[0].step if plan.way else getattr(plan.intent, "step", None)
    if step is not None:
        yield f"{step.words}."
    if isinstance(plan.intent, LeaveFleet) and plan.intent.to_hub:
        yield f"It moves to hub {plan.intent.to_hub}."


def _summary(impact: Impact) -> Iterator[str]:
    parts = (
        ("Appears", [one.name for one in impact.appear if not one.from_hub]),
        ("Changes", [after.name for _, after in impact.change if not after.from_hub]),
        ("Disappears", [one.name for one in impact.disappear if not one.from_hub]),
    )
    for word, names in parts:
        if names:
            more = f" and {len(names) - 20} more" if len(names) > 20 else ""
            yield f"{word}: {', '.join(sorted(names)[:20])}{more}."


def _trailer(key: str, value: str) -> str:
    if not value.strip() or _CONTROL.search(value):
        raise Refused(
            f"{key} of the commit must be one line of text.", field="", code="invalid_trailer"
        )
    return f"{key}: {value.strip()}"


def digest(
    plan: Plan,
    *,
    fleet: str,
    hub: str,
    change_id: str,
    revision: int,
    requester: str,
    editors: Iterable[str],
    policy_version: str,
) -> str:
    """The digest that an approval is bound to: `sha256:<hex>` of canonical JSON.

    Covers what is written, what the hub will do with it, who asked and under which rules; nothing
    that was read from a hub or a clock, and not the commit that it was computed at, so that an
    unrelated commit leaves it alone. The order of editors, edits and Applications does not matter.
    """
    return sha256(
        digest_data(
            plan,
            fleet=fleet,
            hub=hub,
            change_id=change_id,
            revision=revision,
            requester=requester,
            editors=editors,
            policy_version=policy_version,
        )
    )


def digest_data(
    plan: Plan,
    *,
    fleet: str,
    hub: str,
    change_id: str,
    revision: int,
    requester: str,
    editors: Iterable[str],
    policy_version: str,
) -> dict[str, object]:
    """What `digest` hashes, as plain data: the evidence that a reviewer can recompute."""
    return {
        "format": DIGEST_FORMAT,
        "fleet": fleet,
        "hub": hub,
        "change": change_id,
        "revision": revision,
        "requester": requester,
        "editors": sorted(set(editors)),
        "policy": policy_version,
        **_content(plan),
        **_leaving(plan),
        **_layer(plan),
    }


def substance(plan: Plan) -> str:
    """What a plan comes to, whoever asks for it and as which change: `sha256:<hex>`.

    A later step of a cluster's way out is what was approved as long as this is the same.
    """
    return sha256(_content(plan))


def content_digest(plan: Plan) -> str:
    """What is written and what follows, whoever asks for it and as which change: `sha256:<hex>`.

    It is the same for a dry run and for the change that it became, as long as they come to the same;
    an approval is bound to `digest`, which has this and who asked.
    """
    return sha256({**_content(plan), **_leaving(plan), **_layer(plan)})


def _content(plan: Plan) -> dict[str, object]:
    return {
        "edits": [
            {
                "path": edit.path,
                "before": edit.before_blob or None,
                "after": edit.after_blob or None,
            }
            for edit in sorted(plan.edits, key=lambda edit: edit.path)
        ],
        "labels": {label.key: label.value for label in plan.labels_after.labels},
        "annotations": {label.key: label.value for label in plan.labels_after.annotations},
        "applications": _applications(plan.impact),
        "applications_complete": plan.impact.complete,
    }


def _leaving(plan: Plan) -> dict[str, object]:
    """What a cluster's way out adds: whether workloads stay, and every commit of it in order."""
    if not isinstance(plan.intent, LeaveFleet):
        return {}
    step = plan.intent.step
    return {
        "leaving": {
            "keep": plan.intent.keep,
            **({"to_hub": plan.intent.to_hub} if plan.intent.to_hub else {}),
            "step": step.value if step else None,
            "way": [{"step": one.step.value, "substance": substance(one.plan)} for one in plan.way],
        }
    }


def _layer(plan: Plan) -> dict[str, object]:
    """What the edit of a shared layer adds: each cluster that moves, with its labels before and after."""
    if not isinstance(plan.intent, EditLayer):
        return {}
    return {
        "moved": [
            {
                "hub": one.hub,
                "cluster": one.cluster,
                "labels": [list(label) for label in one.labels],
                "problem": one.problem,
            }
            for one in sorted(plan.moved, key=lambda one: one.path)
            if one.by_git
        ]
    }


def _applications(impact: Impact) -> dict[str, object]:
    return {
        "appear": _sorted(_application(one) for one in impact.appear if not one.from_hub),
        "change": _sorted(
            {"before": _application(before), "after": _application(after)}
            for before, after in impact.change
            if not after.from_hub
        ),
        "disappear": _sorted(_application(one) for one in impact.disappear if not one.from_hub),
    }


def _sorted(items: Iterable[dict[str, object]]) -> list[dict[str, object]]:
    return sorted(items, key=repr)


def _application(one: ApplicationForecast) -> dict[str, object]:
    return {
        "name": one.name,
        "component": one.component,
        "version": one.version,
        "destination": one.destination,
        "namespace": one.namespace,
        "chart": one.chart,
        "repository": one.repo_url,
        "deployed_by": one.deployed_by.value,
        "values": one.values_digest,
        "deletes_resources": one.deletes_resources,
    }
