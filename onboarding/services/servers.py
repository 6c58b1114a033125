"""Whether a spoke's API server is nobody else's: two secrets for one server break both in Argo CD."""

from __future__ import annotations

from urllib.parse import urlsplit

from onboarding.domain.credentials import SecretFacts
from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DecisionState
from onboarding.domain.planner import PlanWarning
from onboarding.domain.servers import SERVER_TAG, is_arn, parse_server
from onboarding.models import Change, ClusterStatus

_UNCHECKED = PlanWarning(
    f"The server is not checked: the secret has no tag {SERVER_TAG}, and no API server was entered. "
    "If another cluster has the same server, Argo CD breaks both.",
    "server_unchecked",
)


def server_of(*, facts: SecretFacts, entered: str) -> str:
    """The spoke's server: what its secret's tag says, else what was entered; "" where neither does.

    Raises `Refused` at the field `server` where the two are not the same.
    """
    typed = parse_server(entered)
    try:
        tagged = parse_server(facts.tags.get(SERVER_TAG, ""))
    except Refused:
        tagged = ""
    if typed and tagged and typed != tagged and is_arn(typed) == is_arn(tagged):
        raise Refused(
            f"The secret's tag {SERVER_TAG} says {tagged}. Enter that, or correct the secret: it "
            "holds the credentials of the server that it names.",
            field="server",
            code="other_server",
        )
    return tagged or typed


def check(*, server: str, cluster: str, except_change: Change | None) -> tuple[PlanWarning, ...]:
    """What must be said of a registration's server; nothing where it is known to be free.

    It is held against what all hubs were last seen to have, and against all open registrations.
    Raises `Refused` at the field `server` where it is taken.
    """
    if not server:
        return (_UNCHECKED,)
    host = urlsplit(server).hostname or server
    seen = ClusterStatus.objects.filter(server__icontains=host).exclude(name=cluster)
    for name, hub, address in seen.values_list("name", "hub__name", "server"):
        if _same(address, server):
            raise _taken(server, f"{name} on hub {hub}")
    others = Change.objects.filter(
        kind=Change.Kind.REGISTER, settled_at__isnull=True, server=server
    ).exclude(state=DecisionState.DRAFT.value)
    if except_change is not None and except_change.pk:
        others = others.exclude(pk=except_change.pk)
    if (other := others.first()) is not None:
        raise _taken(server, f"change #{other.pk} ({other.cluster_name})")
    if is_arn(server):
        said = (
            "The server is an ARN: it was compared with the ARNs of open changes only, for hubs show "
            "addresses. Enter the server's address to compare it with those."
        )
        return (PlanWarning(said, "server_unchecked"),)
    return ()


def _same(address: str, server: str) -> bool:
    try:
        return parse_server(address) == server
    except Refused:
        return False


def _taken(server: str, where: str) -> Refused:
    return Refused(
        f"The server {server} is that of {where}. Two clusters with one server break each other in "
        "Argo CD. Use the secret of another cluster, or take that one out first.",
        field="server",
        code="duplicate_server",
    )
