"""Files that administrators name: a fleet's own credentials, and nothing of the installation."""

from __future__ import annotations

from pathlib import Path

import pytest

from onboarding.domain.errors import Refused
from onboarding.domain.named_files import named_file, usable_file


@pytest.mark.parametrize(
    "path", ["", "/run/secrets/fleet_token", "/etc/fleet-ui/known_hosts", "/a/b.c/d+e@f=g,h:i"]
)
def test_it_takes_a_plain_path(path: str) -> None:
    assert named_file(path) == path


@pytest.mark.parametrize(
    "path",
    ["token", "../token", "~/token", "/", "//host/share", "/a/../b", "/a/./b", "/a b", '/a"b', "/a'b",
     "/a\\b", "/a\nb", "/a\0b", "/$HOME/x", "/%h/x", "/a\u200bb", "/" + "a" * 500, "file:///etc/x"],
)  # fmt: skip
def test_it_refuses_what_is_no_plain_path(path: str) -> None:
    with pytest.raises(Refused) as refused:
        named_file(path, field="ca_file")
    assert [(one.field, one.code) for one in refused.value.refusals] == [
        ("ca_file", "invalid_path")
    ]


@pytest.mark.parametrize(
    "path",
    ["/proc/self/environ", "/dev/stdin", "/sys/x", "/run/secrets/kubernetes.io/serviceaccount/token",
     "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"],
)  # fmt: skip
def test_it_refuses_what_the_platform_gave_to_the_process(path: str) -> None:
    with pytest.raises(Refused, match="is no credential of a fleet"):
        named_file(path)


def test_it_follows_links_before_a_file_is_used(tmp_path: Path) -> None:
    own, fleets = tmp_path / "secret_key", tmp_path / "token"
    for file in (own, fleets):
        file.write_text("x")
    link, far = tmp_path / "link", tmp_path / "far"
    link.symlink_to(own)
    far.symlink_to("/proc/self/environ")
    assert usable_file(str(fleets), own=[str(own)]) == str(fleets)
    assert usable_file("", own=[str(own)]) == ""
    for path in (own, link, far):
        with pytest.raises(Refused, match="is no credential of a fleet"):
            usable_file(str(path), own=[str(own)])
