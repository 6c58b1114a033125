"""The address of a remote repository: parse or refuse, before any program sees it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from onboarding.domain.errors import Refused

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_PATH = r"[A-Za-z0-9._~/@%+,:=-]+"
_HTTPS = re.compile(rf"https://{_HOST}(?::[0-9]{{1,5}})?/{_PATH}")
_SSH = re.compile(rf"ssh://(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?{_HOST}(?::[0-9]{{1,5}})?/{_PATH}")
# git@host:team/fleet.git; the path may not begin with a dash, ssh would hand it to the far shell.
_SCP_LIKE = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.-]*@{_HOST}:(?!-){_PATH}")
_LONGEST = 500


def parse_address(text: str, *, allow_local: bool = False) -> str:
    """Accept the address of a fleet repository, or say what is wrong with it.

    `text` is what somebody typed: `https://host/path`, `ssh://git@host/path`, `git@host:path` or,
    where `allow_local` says so (demo and tests), an absolute path or a `file://` address. It may
    carry no user name with a password or token: credentials are configured beside the address, by
    the name of a file, so that they reach neither the database nor a log nor a process list.

    Returns the address without surrounding blanks. Raises `Refused` at the field `repository_url`.
    """
    address = text.strip()
    problem = _problem(address, allow_local)
    if problem:
        raise Refused(problem, field="repository_url", code="invalid_address")
    return address


def is_ssh(address: str) -> bool:
    """Whether an accepted address is reached by ssh rather than https or the file system."""
    return address.startswith("ssh://") or bool(_SCP_LIKE.fullmatch(address))


def is_local(address: str) -> bool:
    """Whether an accepted address is a folder of this machine."""
    return address.startswith(("/", "file://"))


def host_of(address: str) -> str:
    """The host of an accepted address; "" for a folder of this machine."""
    if is_local(address):
        return ""
    if "://" in address:
        return urlsplit(address).hostname or ""
    return address.partition("@")[2].partition(":")[0]


def _problem(address: str, allow_local: bool) -> str:
    """What is wrong with the address, as a sentence; "" where nothing is."""
    if not address:
        return "The repository's address is missing. Enter one, such as https://git.example.com/platform/fleet.git."
    if len(address) > _LONGEST:
        return f"The repository's address has {len(address)} characters; {_LONGEST} are allowed."
    if re.match(r"https?://[^/]*@", address) or re.match(r"ssh://[^/@]*:[^/]*@", address):
        return (
            "The repository's address carries a user name, password or token. Remove that part "
            "and name "
            "the file that holds the credential in its own field."
        )
    if ".." in address.split("/") or "/-" in address:
        return "The repository's address may not hold '..' or a part that begins with a dash."
    if allow_local and re.fullmatch(rf"(?:file://)?/{_PATH}", address):
        return ""
    if _HTTPS.fullmatch(address) or _SSH.fullmatch(address) or _SCP_LIKE.fullmatch(address):
        return ""
    return (
        "This is not an address that can be used. Use https://host/path, ssh://git@host/path or "
        "git@host:path, "
        "without blanks, '?' or '#'."
    )
