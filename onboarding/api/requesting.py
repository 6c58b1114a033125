"""What programs ask for: each verb with a dry run beside it. None of them decides on a change."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Header, Path, Router, Status

from onboarding import wiring
from onboarding.api import access, schemas
from onboarding.api.access import Caller
from onboarding.automation import asking, telling
from onboarding.domain.errors import Refused
from onboarding.domain.tokens import Verb
from onboarding.services import repeated

router = Router()

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Any text of your own for this request; sent again with the same body, it is "
        "done once, and the answer is the same.",
    ),
]


@router.post(
    "/registrations",
    response={201: schemas.Change},
    url_name="api-register",
    operation_id="register",
    summary="Ask that a cluster joins the fleet",
)
def register(
    request: HttpRequest,
    response: HttpResponse,
    asked: schemas.Registration,
    idempotency_key: IdempotencyKey,
) -> Any:
    """What is written is planned at once, and every reason against it stands at its field. People decide."""
    caller = access.caller_with(request, Verb.REGISTER)
    fleet = access.fleet_of_hub(caller, asked.hub)
    answers = _answers(asked)
    return _once(
        response,
        caller,
        idempotency_key,
        {"register": schemas.plain(asked)},
        lambda also: asking.register(fleet=fleet, answers=answers, actor=caller.user, also=also),
    )


@router.post(
    "/registrations/plan",
    response=schemas.Plan,
    url_name="api-plan-registration",
    operation_id="plan_registration",
    summary="Dry run of a registration",
)
def plan_registration(request: HttpRequest, asked: schemas.Registration) -> Any:
    """The plan, or every reason against it, as `register` has them. Nothing is asked for."""
    caller = access.caller_with(request, Verb.REGISTER)
    fleet = access.fleet_of_hub(caller, asked.hub)
    return telling.dry_run_told(
        asking.plan_registration(fleet=fleet, answers=_answers(asked), actor=caller.user)
    )


@router.post(
    "/clusters/{slug:hub}/{slug:name}/edits",
    response={201: schemas.Change},
    url_name="api-edit",
    operation_id="edit",
    summary="Ask for an edit of a registered cluster",
)
def edit(
    request: HttpRequest,
    response: HttpResponse,
    hub: str,
    name: str,
    asked: schemas.Edit,
    idempotency_key: IdempotencyKey,
) -> Any:
    """What is not said stays as Git has it. The cluster's place in the fleet and its secret are fixed."""
    caller = access.caller_with(request, Verb.EDIT)
    cluster = access.cluster_for(caller, hub, name)
    answers = _answers(asked)
    return _once(
        response,
        caller,
        idempotency_key,
        {"edit": [hub, name], "asked": schemas.plain(asked)},
        lambda also: asking.edit(cluster=cluster, answers=answers, actor=caller.user, also=also),
    )


@router.post(
    "/clusters/{slug:hub}/{slug:name}/edits/plan",
    response=schemas.Plan,
    url_name="api-plan-edit",
    operation_id="plan_edit",
    summary="Dry run of an edit",
)
def plan_edit(request: HttpRequest, hub: str, name: str, asked: schemas.Edit) -> Any:
    """The plan, or every reason against it, as `edit` has them. Nothing is asked for."""
    caller = access.caller_with(request, Verb.EDIT)
    cluster = access.cluster_for(caller, hub, name)
    return telling.dry_run_told(
        asking.plan_edit(cluster=cluster, answers=_answers(asked), actor=caller.user)
    )


@router.post(
    "/clusters/{slug:hub}/{slug:name}/offboardings",
    response={201: schemas.Change},
    url_name="api-offboard",
    operation_id="offboard",
    summary="Ask that a cluster leaves the fleet",
)
def offboard(
    request: HttpRequest,
    response: HttpResponse,
    hub: str,
    name: str,
    asked: schemas.Leaving,
    idempotency_key: IdempotencyKey,
) -> Any:
    """One approval covers every commit of its way; each is made when the hub was seen to have followed."""
    caller = access.caller_with(request, Verb.OFFBOARD)
    cluster = access.cluster_for(caller, hub, name)
    keep = _keeps(asked)
    return _once(
        response,
        caller,
        idempotency_key,
        {"offboard": [hub, name], "asked": schemas.plain(asked)},
        lambda also: asking.offboard(
            cluster=cluster, keep=keep, confirmed=asked.confirm, actor=caller.user, also=also
        ),
    )


@router.post(
    "/clusters/{slug:hub}/{slug:name}/offboardings/plan",
    response=schemas.Plan,
    url_name="api-plan-offboarding",
    operation_id="plan_offboarding",
    summary="Dry run of an offboarding",
)
def plan_offboarding(
    request: HttpRequest, hub: str, name: str, asked: schemas.LeavingPlanned
) -> Any:
    """The plan with every commit of its way, as `offboard` has it. Nothing is asked for."""
    caller = access.caller_with(request, Verb.OFFBOARD)
    cluster = access.cluster_for(caller, hub, name)
    return telling.dry_run_told(
        asking.plan_offboarding(cluster=cluster, keep=_keeps(asked), actor=caller.user)
    )


@router.post(
    "/changes/{int:number}/revisions",
    response={201: schemas.Change},
    url_name="api-revise",
    operation_id="revise",
    summary="Revise an own change that waits for approval",
)
def revise(
    request: HttpRequest,
    response: HttpResponse,
    number: Number,
    asked: schemas.Revision,
    idempotency_key: IdempotencyKey,
) -> Any:
    """What is not said stays as the change has it. It is planned anew, and its approval is asked for anew."""
    caller, change = access.own_change(request, number)
    answers = _answers(asked)
    return _once(
        response,
        caller,
        idempotency_key,
        {"revise": number, "asked": schemas.plain(asked)},
        lambda also: asking.revise(
            change=change, seen=asked.revision, answers=answers, actor=caller.user, also=also
        ),
    )


@router.post(
    "/changes/{int:number}/revisions/plan",
    response=schemas.Plan,
    url_name="api-plan-revision",
    operation_id="plan_revision",
    summary="Dry run of a revision",
)
def plan_revision(request: HttpRequest, number: Number, asked: schemas.Revision) -> Any:
    """The plan, or every reason against it, as `revise` has them. The change stays as it is."""
    caller, change = access.own_change(request, number)
    plan = asking.plan_revision(
        change=change, seen=asked.revision, answers=_answers(asked), actor=caller.user
    )
    return telling.dry_run_told(plan)


@router.post(
    "/changes/{int:number}/withdrawal",
    response={201: schemas.Change},
    url_name="api-withdraw",
    operation_id="withdraw",
    summary="Withdraw an own change",
)
def withdraw(
    request: HttpRequest, response: HttpResponse, number: Number, idempotency_key: IdempotencyKey
) -> Any:
    """As long as nothing of it is on its way to Git. It is final; to ask anew is another change."""
    caller, change = access.own_change(request, number)
    return _once(
        response,
        caller,
        idempotency_key,
        {"withdraw": number},
        lambda also: asking.withdraw(change=change, actor=caller.user, also=also),
    )


def _once(
    response: HttpResponse,
    caller: Caller,
    key: str,
    asked: dict[str, Any],
    act: repeated.Act,
) -> Any:
    """Ask once, however often it is sent; the answer of a repetition says that it is one."""
    answer = repeated.once(
        account=caller.account,
        key=key,
        fingerprint=repeated.fingerprint(what="request", asked=asked),
        clock=wiring.clock(),
        act=act,
        tell=telling.change_told,
    )
    response["Idempotent-Replayed"] = "true" if answer.is_repeated else "false"
    response["Location"] = f"/api/v1/changes/{answer.body['number']}"
    return Status(201, answer.body)


def _keeps(asked: schemas.LeavingPlanned) -> bool:
    if asked.workloads not in ("keep", "remove"):
        raise Refused("Choose keep or remove.", field="workloads", code="invalid_choice")
    return asked.workloads == "keep"


def _answers(asked: schemas.Registration | schemas.Edit | schemas.Revision) -> asking.Answers:
    said = schemas.plain(asked)
    return asking.Answers(
        fields={name: said.get(name) for name in (*asking.PLACE, *asking.MODEL) if name in said},
        options=said.get("options", {}),
        pins=said.get("pins", {}),
        labels=said.get("labels", {}),
    )
