"""The tags that templates draw with: ages, tones, links, diffs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.template import Context, Template
from django.test import RequestFactory

from onboarding.templatetags import fleet
from onboarding.templatetags._diff_rendering import parse_patch
from onboarding.templatetags._tones import Tone, tone_of

NOON = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)

PATCH = """\
diff --git a/members/new.yaml b/members/new.yaml
new file mode 100644
--- /dev/null
+++ b/members/new.yaml
@@ -0,0 +1,2 @@
+tenant: "tenant1"
+clusterName: "spoke-1"
diff --git a/values.yaml b/values.yaml
--- a/values.yaml
+++ b/values.yaml
@@ -3,3 +3,3 @@
 labels:
-  addonsRelease: "default"
+  addonsRelease: "release1"
   monitoringRelease: "default"
"""


def render(source: str, **context: object) -> str:
    return Template("{% load fleet %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (150, "2 min"),
        (3600, "1 h"),
        (3600 * 2 + 300, "2 h 5 min"),
        (3600 * 11 + 300, "11 h"),
        (86400 * 4 + 3600 * 6, "4 d 6 h"),
        (86400 * 40, "40 d"),
    ],
)
def test_it_tells_a_duration_in_at_most_two_units(seconds: float, words: str) -> None:
    assert fleet.duration(timedelta(seconds=seconds)) == words


def test_it_says_nothing_about_a_duration_that_is_not_known() -> None:
    assert fleet.duration(None) == ""
    assert fleet.age(None) == ""


def test_it_writes_a_relative_time_that_keeps_the_full_time() -> None:
    with time_machine.travel(NOON, tick=False):
        html = fleet.relative_time(NOON - timedelta(minutes=3))

    assert html.endswith(">3 min ago</time>")
    assert 'datetime="2026-03-04T11:57:00+00:00"' in html
    assert 'title="2026-03-04 11:57:00 UTC"' in html


def test_it_writes_a_time_that_is_still_to_come() -> None:
    with time_machine.travel(NOON, tick=False):
        html = fleet.relative_time(NOON + timedelta(minutes=2))

    assert ">in 2 min</time>" in html


def test_it_says_never_without_inventing_a_time() -> None:
    html = fleet.relative_time(None)

    assert "never" in html
    assert "<time" not in html


@pytest.mark.parametrize(
    ("word", "tone"),
    [
        ("Healthy", Tone.GREEN),
        ("OutOfSync", Tone.AMBER),
        ("Out of sync", Tone.AMBER),
        ("out_of_sync", Tone.AMBER),
        ("Selects nothing", Tone.AMBER),
        ("Degraded", Tone.RED),
        ("Progressing", Tone.BLUE),
        ("Registering (credentials)", Tone.BLUE),
        ("Suspended", Tone.VIOLET),
        ("Unknown", Tone.GREY),
        ("Stale", Tone.GREY),
        ("", Tone.GREY),
        ("a word that nobody listed", Tone.GREY),
    ],
)
def test_it_gives_a_state_word_its_colour_and_never_green_by_accident(
    word: str, tone: Tone
) -> None:
    assert tone_of(word) is tone


def test_it_draws_a_dot_that_screen_readers_skip() -> None:
    assert "fui-tone-red" in fleet.state_dot("Degraded")
    assert 'aria-hidden="true"' in fleet.state_dot("Degraded")


def test_it_shortens_a_commit_and_a_digest() -> None:
    assert fleet.short_sha("9f3c2a1b7d4e5f60718293a4b5c6d7e8f9012345") == "9f3c2a1b"
    assert fleet.short_sha("sha256:9a8b7c6d5e4f") == "9a8b7c6d"
    assert fleet.short_sha(None) == ""


def test_it_replaces_one_parameter_and_keeps_the_others() -> None:
    request = RequestFactory().get("/clusters/?tenant=a&tenant=b&sort=name&page=3")

    html = render("{% query_replace sort='-name' as url %}{{ url }}", request=request)

    assert html == "?tenant=a&amp;tenant=b&amp;sort=-name"


def test_it_removes_a_parameter_and_keeps_the_page_it_asks_for() -> None:
    request = RequestFactory().get("/clusters/?q=x&page=3")

    assert render("{% query_replace q=None %}", request=request) == "?"
    assert (
        render("{% query_replace page=4 as url %}{{ url|safe }}", request=request) == "?q=x&page=4"
    )


def test_it_reads_a_patch_file_by_file_with_line_numbers() -> None:
    new, changed = parse_patch(PATCH)

    assert (new.path, new.verb, new.count("add"), new.count("del")) == (
        "members/new.yaml",
        "new file",
        2,
        0,
    )
    assert (changed.path, changed.verb) == ("values.yaml", "changed")
    assert [(line.kind, line.before, line.after) for line in changed.lines[1:]] == [
        ("same", 3, 3),
        ("del", 4, None),
        ("add", None, 4),
        ("same", 5, 5),
    ]


def test_it_does_not_take_a_removed_line_for_the_next_file() -> None:
    patch = "--- a/x.sql\n+++ b/x.sql\n@@ -1,2 +1,1 @@\n--- a comment\n kept\n"

    (file,) = parse_patch(patch)

    assert [(line.kind, line.text) for line in file.lines[1:]] == [
        ("del", "-- a comment"),
        ("same", "kept"),
    ]


def test_it_says_where_a_final_newline_is_missing() -> None:
    patch = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n"

    (file,) = parse_patch(patch)

    assert (file.lines[-1].kind, file.lines[-1].text) == ("note", "No newline at end of file")


@pytest.mark.parametrize("name", ["x.yaml", "x.txt"])
def test_it_escapes_whatever_a_file_holds(name: str) -> None:
    patch = (
        f'--- a/{name}\n+++ b/{name}\n@@ -0,0 +1,2 @@\n+key: "<script>alert(1)</script>"\n'
        "+# <img src=x onerror=y>\n"
    )

    html = fleet.diff_html(patch)

    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html


def test_it_escapes_the_path_of_a_file() -> None:
    html = fleet.diff_html("--- a/<b>\n+++ b/<b>\n@@ -0,0 +1 @@\n+x\n")

    assert "<b>" not in html.replace('<b aria-label="1 lines added">', "")
    assert "&lt;b&gt;" in html


def test_it_draws_nothing_for_an_empty_patch() -> None:
    assert fleet.diff_html("") == ""
    assert fleet.diff_html(None) == ""


@pytest.mark.parametrize(
    "junk", ["@@ -1,9 +1,9 @@\n", "--- a/x", "+++ b/x\n+y", "\\", "diff --git"]
)
def test_it_survives_a_patch_that_is_none(junk: str) -> None:
    assert "<script" not in fleet.diff_html(junk)


def test_it_colours_yaml_without_changing_its_text() -> None:
    text = 'labels:\n  addonsRelease: "release1"  # pinned\n'

    html = fleet.yaml_html(text)

    assert '<span class="m"># pinned</span>' in html
    assert "release1" in html
    assert html.count("\n") == text.count("\n")


@dataclass(frozen=True)
class Part:
    word: str
    count: int


def test_it_draws_a_bar_whose_parts_are_told_in_words() -> None:
    html = fleet.stacked_bar([Part("Healthy", 3), Part("Degraded", 1), Part("Unknown", 0)], 8)

    assert 'aria-label="3 Healthy, 1 Degraded, of 8"' in html
    assert 'class="fui-tone-green" x="0.000" width="37.500"' in html
    assert 'class="fui-tone-red" x="37.500" width="12.500"' in html
    assert "fui-tone-grey" not in html
    assert "style=" not in html


def test_it_draws_an_empty_bar_for_nothing() -> None:
    html = fleet.stacked_bar([], 0)

    assert "<rect" not in html
    assert "nothing" in html


def test_it_draws_an_icon_as_decoration_or_with_a_title() -> None:
    assert 'aria-hidden="true"' in fleet.icon("check")
    assert 'aria-label="done &quot;now&quot;"' in fleet.icon("check", "", 'done "now"')
    assert "aria-hidden" not in fleet.icon("check", "", "done")


def test_it_makes_initials() -> None:
    assert fleet.initials("demo-requester") == "dr"
    assert fleet.initials("approver") == "a"
    assert fleet.initials("") == "?"
