"""How commands are told where a fleet's repository is and how to sign in to it."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from onboarding.models import Fleet


def add_credentials(parser: ArgumentParser) -> None:
    """The options that name credentials, by the files that hold them."""
    add = parser.add_argument
    add("--username", default="", help="user name for https")
    add("--credential-file", default="", help="file with a token (https) or a private key (ssh)")
    add("--known-hosts-file", default="", help="file with the host's key (ssh)")


def connection_of(options: Mapping[str, Any]) -> dict[str, str]:
    """How to sign in to the repository, as a fleet has it."""
    return {key: options[key] for key in ("username", "credential_file", "known_hosts_file")}


def fleet_of(options: Mapping[str, Any], url: str) -> Fleet:
    """A fleet that is not saved: only how to reach its repository."""
    return Fleet(repository_url=url, branch=options["branch"], **connection_of(options))
