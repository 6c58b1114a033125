"""Pull requests in the domain: addresses, branches, obstacles, and what was merged."""

from __future__ import annotations

import pytest

from onboarding.domain.errors import Refused
from onboarding.domain.reviews import (
    CheckFacts,
    CheckState,
    PullRequestFacts,
    PullRequestState,
    branch_of,
    merged_otherwise,
    project_of,
    waits_for,
    web_link,
)
from tests.abuse import corpus, oracles

OPEN = PullRequestFacts(7, "https://forge/7", PullRequestState.OPEN, "a" * 40)
PLAN = {"a.yaml": ("", "1"), "b.yaml": ("2", "3"), "gone.yaml": ("4", "")}


@pytest.mark.parametrize(
    ("repository", "forge", "found"),
    [
        ("https://github.com/team/fleet.git", "", ("https://github.com", "team/fleet")),
        ("git@github.com:team/fleet.git", "", ("https://github.com", "team/fleet")),
        ("ssh://git@git.example.com:2222/a/b/fleet", "", ("https://git.example.com", "a/b/fleet")),
        ("https://h.example:3000/t/f", "", ("https://h.example:3000", "t/f")),
        (
            "https://h.example/git/t/f.git",
            "https://h.example/git/",
            ("https://h.example/git", "t/f"),
        ),
        ("git@git.internal:t/f.git", "https://forge.example", ("https://forge.example", "t/f")),
    ],
)
def test_it_finds_the_project_in_the_address(
    repository: str, forge: str, found: tuple[str, str]
) -> None:
    assert project_of(repository, forge) == found


@pytest.mark.parametrize("address", ["/srv/fleet.git", "https://host/fleet", "file:///a/b"])
def test_it_refuses_an_address_without_a_project(address: str) -> None:
    with pytest.raises(Refused, match="names no project"):
        project_of(address)


def test_a_plan_has_one_branch() -> None:
    assert branch_of("1-2", "sha256:0123456789ab") == "fleetui/1-2-01234567"
    assert branch_of("1-2", "sha256:0123456789ab") != branch_of("1-2", "sha256:1123456789ab")


@pytest.mark.parametrize(
    ("found", "differing"),
    [
        (PLAN, ()),
        # Another base: how the file was before does not matter, what it became does.
        ({**PLAN, "b.yaml": ("9", "3")}, ()),
        ({**PLAN, "b.yaml": ("2", "9")}, ("b.yaml",)),
        ({**PLAN, "extra.md": ("", "5")}, ("extra.md",)),
        ({**PLAN, "extra.md": ("5", "")}, ("extra.md",)),
        ({"a.yaml": ("", "1"), "b.yaml": ("2", "3")}, ("gone.yaml",)),
        ({**PLAN, "gone.yaml": ("4", "6")}, ("gone.yaml",)),
        ({}, ("a.yaml", "b.yaml", "gone.yaml")),
    ],
)
def test_it_compares_what_was_merged_by_content(
    found: dict[str, tuple[str, str]], differing: tuple[str, ...]
) -> None:
    assert merged_otherwise(PLAN, found) == differing


@pytest.mark.parametrize(
    ("conflicts", "states", "sentence"),
    [
        (True, [CheckState.FAILED], "It conflicts with main and cannot be merged."),
        (False, [CheckState.FAILED], "It waits for check-0 to pass; it failed."),
        (None, [CheckState.RUNNING, CheckState.PASSED], "It waits for check-0 to end."),
        (False, [CheckState.PASSED], "It waits for somebody to merge it."),
        (False, [], "It waits for somebody to merge it."),
        (
            False,
            [CheckState.FAILED] * 5,
            "It waits for check-0, check-1, check-2 and 2 more to pass; they failed.",
        ),
    ],
)
def test_it_says_what_a_request_waits_for(
    conflicts: bool | None, states: list[CheckState], sentence: str
) -> None:
    facts = PullRequestFacts(
        OPEN.number, OPEN.url, OPEN.state, OPEN.head_commit, conflicts=conflicts
    )
    checks = [CheckFacts(f"check-{number}", state) for number, state in enumerate(states)]
    assert waits_for(facts, checks, target="main") == sentence


def test_only_an_address_of_the_web_becomes_a_link() -> None:
    """Whatever a forge, or who answers in its place, says."""
    sound = (
        "https://forge/7",
        "http://127.0.0.1:3000/a/b/pulls/7?x=1#c",
        "https://h/a/-/merge_requests/7",
    )
    for text in sound:
        assert web_link(text) == text
        assert CheckFacts("build", CheckState.PASSED, text).url == text
    for text in corpus.ALL:
        link = web_link(text)
        assert link == "" or oracles.is_link(link), corpus.shown(text)
    odd = "javascript:alert(1)"
    assert PullRequestFacts(7, odd, PullRequestState.OPEN, "a" * 40).url == ""
