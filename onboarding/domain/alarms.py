"""What is wrong between us and a remote so that a person has to act: named, with what to do."""

from __future__ import annotations

import re
from enum import StrEnum

_LOCK = re.compile(
    r"cannot lock ref|unable to (?:create|lock)[^\n]*\.lock|failed to update ref", re.I
)
_TIMES_BEFORE_A_LOCK_IS_STALE = 3


class Alarm(StrEnum):
    """Why a delivery needs a person; "" for none."""

    NONE = ""
    REMOTE_LOCK = "remote_lock"
    DIVERGED = "diverged"
    POLICY = "policy"
    MERGED_DIFFERENTLY = "merged_differently"

    @property
    def word(self) -> str:
        """The name that pages show."""
        return _WORDS[self][0]

    @property
    def advice(self) -> str:
        """What a person does about it."""
        return _WORDS[self][1]


_WORDS = {
    Alarm.NONE: ("", ""),
    Alarm.REMOTE_LOCK: (
        "Remote lock",
        "The remote holds a lock on the branch that nobody releases, as a crashed push leaves it. "
        "Remove it on the Git server (refs/heads/<branch>.lock); writing goes on by itself.",
    ),
    Alarm.DIVERGED: (
        "Diverged history",
        "The branch was rewritten, and a commit that was delivered is not in it any more. Nothing "
        "is written again by itself. Restore the commit, or ask for the change anew.",
    ),
    Alarm.POLICY: (
        "Policy rejects",
        "The Git server refuses the commit by a rule of its own (a hook, a protected branch, a "
        "right). Change the rule or the account's rights there, or let the fleet deliver by pull "
        "request, then try again.",
    ),
    Alarm.MERGED_DIFFERENTLY: (
        "Merged differently",
        "What was merged is not what was approved. Compare the pull request with the plan; where the "
        "difference is not wanted, revert it in Git and ask for the change anew.",
    ),
}


def of_refusal(said: str, *, tries: int) -> Alarm:
    """Name a push that the remote refused while the branch stood still, after so many tries.

    The words only name it: that the push did not arrive was read from the remote. A lock is an
    alarm when it outlives a few tries, for another push holds one for a moment.
    """
    if _LOCK.search(said):
        return Alarm.REMOTE_LOCK if tries >= _TIMES_BEFORE_A_LOCK_IS_STALE else Alarm.NONE
    return Alarm.POLICY if said.startswith("The push was refused") else Alarm.NONE
