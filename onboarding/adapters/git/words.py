"""What git said, turned into what happened, to what, and what to do."""

from __future__ import annotations

import re

from onboarding.adapters.git.address import host_of
from onboarding.adapters.git.process import GitOutcome, GitRemote
from onboarding.domain.errors import FleetError, Refused, Transient

_DAMAGED = re.compile(
    r"not a git repository|bad object|bad tree|is corrupt|far too short|object file .* is empty|"
    r"inflate: data|"
    r"index file .* is too small|packfile .* (?:cannot be accessed|claims)|"
    r"unable to read (?:tree|sha1)|"
    r"missing blob|missing tree|missing commit|bad config|did not send all necessary objects|"
    r"loose object|revision walk setup failed|bad pack header|error processing index|"
    r"not a valid object"
)
_BRANCH_MISSING = re.compile(r"couldn't find remote ref|Remote branch .* not found", re.I)
_NOT_FOUND = re.compile(
    r"does not appear to be a git repository|repository .*not found|"
    r"project you were looking for could not be found|"
    r"does not exist|returned error: 404|no such device or address|not a git repository",
    re.I,
)
_CREDENTIAL = re.compile(
    r"authentication failed|could not read (?:username|password)|permission denied|"
    r"invalid credentials|"
    r"returned error: 40[13]|access denied|unable to get password|terminal prompts disabled|"
    r"askpass",
    re.I,
)
_HOST_KEY = re.compile(
    r"host key verification failed|no .* host key is known|remote host identification has changed",
    re.I,
)
_CERTIFICATE = re.compile(
    r"ssl certificate|certificate verif|unable to get local issuer|server certificate", re.I
)
_UNREACHABLE = re.compile(
    r"could not resolve|couldn't resolve|name or service not known|"
    r"temporary failure in name resolution|"
    r"connection (?:refused|reset|timed out|closed)|failed to connect|couldn't connect|"
    r"network is unreachable|"
    r"no route to host|operation timed out|early eof|unexpected disconnect|operation too slow|"
    r"timed out|"
    r"returned error: (?:429|5\d\d)|the remote end hung up|empty reply",
    re.I,
)
_MOVED_AWAY = re.compile(
    r"returned error: 30[1278]|unable to update url base from redirection", re.I
)
_TRANSPORT = re.compile(r"transport '[^']*' not allowed", re.I)


OVERSLEPT = "The push was not begun: this worker slept through its time."


def is_damaged(said: str) -> bool:
    """Whether git's words speak of a broken local copy rather than of the remote."""
    return bool(_DAMAGED.search(said)) and "does not appear to be a git repository" not in said


def is_branch_missing(said: str) -> bool:
    """Whether the remote answered, and has no branch of that name."""
    return bool(_BRANCH_MISSING.search(said))


def failure(outcome: GitOutcome, remote: GitRemote) -> FleetError:
    """The error for a failed talk with the remote: `Refused` where somebody must act."""
    url, host, said = remote.url, host_of(remote.url) or "this machine", outcome.said
    if outcome.stopped:
        return Transient(
            f"The repository at {url} did not answer within {outcome.seconds:.0f} seconds. It is "
            f"tried again."
        )
    if _HOST_KEY.search(said):
        return _refused(
            f"The key of host {host} is not among the trusted ones. Add it to the known hosts "
            f"file of the fleet, "
            f"after comparing it with what the host's owner publishes.",
            "host_key",
        )
    if _CERTIFICATE.search(said):
        return _refused(
            f"The certificate of {host} could not be verified. Name the certificate authority "
            f"that signed it.",
            "certificate",
        )
    if _TRANSPORT.search(said):
        return _refused(
            f"The kind of address {url} is not allowed here. Use https or ssh.", "transport"
        )
    if _MOVED_AWAY.search(said):
        return _refused(
            f"The repository at {url} has moved to another address. Enter the new one.",
            "moved_away",
        )
    if _UNREACHABLE.search(said) and not _CREDENTIAL.search(said):
        return Transient(
            f"{host} cannot be reached for the repository at {url}. It is tried again. "
            f"{_quote(said)}"
        )
    if _CREDENTIAL.search(said):
        return _refused(
            f"{host} refused the credential for the repository at {url}. Check that the "
            f"credential file holds a "
            f"current token or key, and that its account may read and write this repository. "
            f"{_quote(said)}",
            "credential_refused",
        )
    if _NOT_FOUND.search(said):
        return _refused(
            f"The repository at {url} does not exist or this account may not read it. Check the "
            f"address and the "
            f"rights of the credential.",
            "repository_not_found",
        )
    return Transient(
        f"The repository at {url} could not be read. It is tried again. {_quote(said)}"
    )


def branch_missing(remote: GitRemote, heads: tuple[str, ...]) -> Refused:
    """The error for a remote that has branches, but not ours."""
    others = ", ".join(heads[:5]) + (" and others" if len(heads) > 5 else "")
    return Refused(
        f"The repository at {remote.url} has no branch {remote.branch}; it has {others}. "
        f"Correct the branch of the fleet, or create it in the repository.",
        field="branch",
        code="branch_missing",
    )


def push_words(outcome: GitOutcome) -> str:
    """What became of a push in the remote's own words; for people, never for a decision."""
    if outcome.stopped:
        return f"The push was stopped after {outcome.seconds:.0f} seconds without an end."
    if outcome.ok:
        return "The remote accepted the push."
    spoken = [
        line.removeprefix("remote:").strip()
        for line in outcome.said.splitlines()
        if line.startswith("remote:")
    ]
    refusals = re.findall(r"\[(?:remote )?rejected\][^()]*\(([^)]*)\)", outcome.said)
    words = " ".join(part for part in [*refusals, *spoken] if part)
    return f"The push was refused: {words}" if words else f"The push failed. {_quote(outcome.said)}"


def _refused(message: str, code: str) -> Refused:
    return Refused(message.strip(), field="repository_url", code=code)


def _quote(said: str) -> str:
    """The telling line of what git said, for the end of a sentence."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))] or lines
    return f"Git says: {telling[0][:300]}" if telling else ""


def no_room(error: Exception, remote: GitRemote) -> Transient:
    """For a local copy that cannot be written: its disk is full, gone or read-only."""
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Transient(
        f"The local copy of {remote.url} cannot be written ({why}). Look at the disk of "
        f"the worker; it is tried again."
    )
