"""What approval policies demand, in words: before somebody asks, and while a change waits."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from onboarding.domain.plans import Plan
from onboarding.domain.policy import Demand, Tally, words
from onboarding.models import Change, Fleet
from onboarding.services import policies

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ALWAYS = "Nobody approves what they asked for or edited. No rule can allow that."
_WHOSE = "Whoever asked for it or edited it does not count."
_DESTRUCTIVE = (
    "Because something goes away, the approver needs the right for destructive changes, gives a reason "
    "and types the cluster's name."
)


def demand_words(demand: Demand, now: datetime) -> str:
    """What is demanded, and until when nothing is written: what a requester reads before they ask."""
    until = demand.frozen_until(now)
    frozen = f" Frozen until {until:%a %Y-%m-%d %H:%M} UTC." if until else ""
    return f"{words(demand)}{frozen}"


def before_asking(plan: Plan, *, fleet: Fleet, now: datetime) -> str:
    """What will be demanded of a plan once it is asked for."""
    return demand_words(policies.demand_on_plan(plan, fleet=fleet), now)


def of_whole(demand: Demand, now: datetime) -> str:
    """The policy of many changes that are decided on together."""
    return f"{demand_words(demand, now)} {_WHOSE}"


def policy_of(change: Change, found: Tally, now: datetime) -> str:
    """The policy that holds for a change, as its page says it; what is in Git is frozen no more."""
    demand = found.demand
    said = words(demand) if change.settled_at else demand_words(demand, now)
    by = f" By the rule “{'”, “'.join(demand.rules)}”." if demand.rules else ""
    destructive = f" {_DESTRUCTIVE}" if change.destructive else ""
    return f"{said}{by} For exactly the plan shown here. {_WHOSE}{destructive}"


def so_far(found: Tally) -> str:
    """Who approved and who is still needed, of a change that waits; "" where it waits for one approval."""
    if not found.counted and not found.void and found.demand == Demand():
        return ""
    who = f" by {' and '.join(found.counted)}" if found.counted else ""
    return " ".join(filter(None, (f"{found.words}{who}.", policies.void_words(found), found.lacks)))


def denied(found: Tally, user: User) -> str:
    """Why this person's approval is not asked for although they may approve; "" where it is."""
    if user.get_username() in found.counted:
        return f"You approved this plan. {found.lacks}".strip()
    if not policies.helps(found, policies.groups_of(user)):
        return f"{found.lacks} You are in none of these groups."
    return ""
