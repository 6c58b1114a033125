"""Which repository addresses are accepted."""

from __future__ import annotations

import pytest

from onboarding.adapters.git.address import host_of, is_local, is_ssh, parse_address
from onboarding.domain.errors import Refused


@pytest.mark.parametrize(
    ("address", "host", "ssh"),
    [
        ("https://git.example.com/platform/fleet.git", "git.example.com", False),
        ("https://git.example.com:8443/a/b", "git.example.com", False),
        ("https://[2001:db8::1]/fleet.git", "2001:db8::1", False),
        ("ssh://git@git.example.com:2222/platform/fleet.git", "git.example.com", True),
        ("ssh://git.example.com/fleet.git", "git.example.com", True),
        ("git@git.example.com:platform/fleet.git", "git.example.com", True),
    ],
)
def test_it_accepts_addresses_of_hosts(address: str, host: str, ssh: bool) -> None:
    assert parse_address(f"  {address} ") == address
    assert (host_of(address), is_ssh(address), is_local(address)) == (host, ssh, False)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://",
        "http://git.example.com/fleet.git",
        "git://git.example.com/fleet.git",
        "ext::sh -c touch% /pwned",
        "ext::sh",
        "-uhttps://git.example.com/x",
        "--upload-pack=touch x",
        "https://git.example.com/x\nhttps://other",
        "https://git.example.com/a b",
        "https://git.example.com/x?token=hunter22",
        "https://git.example.com/x#y",
        "https://-oProxyCommand=x/fleet",
        "ssh://-oProxyCommand=x/fleet",
        "ssh://git@-oProxyCommand=x/fleet",
        "-oProxyCommand=x@host:fleet",
        "git@-oProxyCommand=x:fleet",
        "git@git.example.com:-fleet",
        "https://git.example.com/../../etc",
        "https://git.example.com/$HOME",
        "/srv/git/fleet.git",
        "file:///srv/git/fleet.git",
        "fleet.git",
        "https://git.example.com/" + "a" * 500,
        "https://git.exämple.com/x",
    ],
)
def test_it_refuses_what_could_do_something_else(address: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_address(address)
    assert refused.value.refusals[0].field == "repository_url"


@pytest.mark.parametrize(
    "address",
    [
        "https://user:hunter22@git.example.com/x",
        "https://hunter22@git.example.com/x",
        "ssh://git:hunter22@git.example.com/x",
    ],
)
def test_it_refuses_credentials_without_repeating_them(address: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_address(address)
    assert "credential" in str(refused.value)
    assert "hunter22" not in str(refused.value)


def test_it_accepts_folders_only_where_that_is_allowed() -> None:
    assert parse_address("/srv/git/fleet.git", allow_local=True) == "/srv/git/fleet.git"
    assert (
        parse_address("file:///srv/git/fleet.git", allow_local=True) == "file:///srv/git/fleet.git"
    )
    assert is_local("/srv/git/fleet.git")
    for address in ("srv/fleet.git", "/srv/../etc", "/-x/y", "file://host/x/../y"):
        with pytest.raises(Refused):
            parse_address(address, allow_local=True)
