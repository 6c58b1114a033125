"""The demo's people: who signs in, and with which rights."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

# Who signs in to the demo: the user's name, the group that gives the rights, what they are for.
PEOPLE = {
    "requester": ("Requesters", "asks for changes"),
    "approver": ("Approvers", "approves what others ask for"),
    "administrator": ("Administrators", "configures fleets and hubs"),
    "tenant1": ("Team of tenant1", "asks for changes of tenant1, and sees nothing else"),
}
TEAMS = {"Team of tenant1": "tenant1"}
"""Groups of one tenant alone, with the tenant's name."""


def make_people(folder: Path) -> dict[str, str]:
    """Make the demo's users where they are missing; return their passwords by name.

    The passwords are random for each data folder and kept in it, readable by its owner only.
    """
    from django.contrib.auth.models import Group, User
    from django.utils import timezone

    from onboarding.domain.roles import Role
    from onboarding.models import Grant

    for team, tenant in TEAMS.items():
        group, _ = Group.objects.get_or_create(name=team)
        Grant.objects.get_or_create(
            group=group,
            role=Role.REQUESTER.value,
            tenant=tenant,
            defaults={"granted_at": timezone.now()},
        )
    kept = folder / "sign-ins.json"
    try:
        passwords: dict[str, str] = json.loads(kept.read_text(encoding="utf-8"))
    except FileNotFoundError:
        passwords = {name: secrets.token_urlsafe(9) for name in PEOPLE}
        descriptor = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(passwords, file, indent=2)
    for name, password in passwords.items():
        user, _ = User.objects.get_or_create(username=name)
        if not user.check_password(password):
            user.set_password(password)
            user.save(update_fields=["password"])
        user.groups.add(Group.objects.get(name=PEOPLE[name][0]))
    return passwords
