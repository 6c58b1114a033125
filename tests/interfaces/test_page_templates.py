"""Every page template, drawn from page objects whose every word is hostile.

The objects are built from the types that the page objects declare, so a new field is covered as
soon as it exists.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from django import forms
from django.conf import settings
from django.forms import BaseForm, BoundField
from django.template.loader import render_to_string
from django.test import RequestFactory

from onboarding.views import pages

NOON = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>{{ 7|add:1 }}{% now 'Y' %}\"'&"
PATCH = f'--- a/x.yaml\n+++ b/x.yaml\n@@ -1 +1 @@\n-a: 1\n+a: "{HOSTILE}"\n'


class HostileForm(forms.Form):
    """A form whose words come from elsewhere."""

    name = forms.CharField(label=HOSTILE, help_text=HOSTILE)
    kind = forms.ChoiceField(label="Kind", choices=[(HOSTILE, HOSTILE)])

    def clean(self) -> dict[str, Any]:
        self.add_error("name", HOSTILE)
        self.add_error(None, HOSTILE)
        return self.cleaned_data


def hostile_form() -> HostileForm:
    form = HostileForm({"name": HOSTILE, "kind": HOSTILE})
    form.is_valid()
    return form


def build(kind: Any, called: str = "", /, **given: Any) -> Any:
    """A value of a declared type; a dataclass has every field filled."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        fields = {
            field.name: given.get(field.name, _value(hints[field.name], field.name))
            for field in dataclasses.fields(kind)
        }
        return kind(**fields)
    return _value(kind, called)


def _value(hint: Any, name: str) -> Any:
    origin = get_origin(hint)
    if origin is tuple:
        # A tree, and a column within a column, end after one level.
        return () if name in {"children"} else (build(get_args(hint)[0], name),)
    if origin in (typing.Union, types.UnionType):
        wanted = next(one for one in get_args(hint) if one is not type(None))
        return None if name == "also" else build(wanted, name)
    if origin is Literal:
        return get_args(hint)[-1]
    if hint is str:
        return _text(name)
    simple: dict[Any, Any] = {
        int: 3,
        bool: False,
        datetime: NOON,
        timedelta: timedelta(seconds=5),
        BaseForm: hostile_form(),
        BoundField: hostile_form()["name"],
    }
    return simple[hint] if hint in simple else build(hint)


def _text(name: str) -> str:
    if name.endswith("url") or name == "action":
        return "/somewhere/?a=1&b=2"
    known = {
        "patch": PATCH,
        "icon": "check",
        "key": "k",
        "id": "part",
        "anchor": "file",
        "field_id": "part",
        "commit": "9f3c2a1b7d4e5f60",
        "state": "Healthy",
    }
    return known.get(name, HOSTILE)


CASES: list[tuple[str, Any, dict[str, Any]]] = [
    ("overview/overview", pages.OverviewPage, {"setup_url": ""}),
    ("overview/overview", pages.OverviewPage, {}),
    ("clusters/list", pages.ClusterListPage, {}),
    ("clusters/list", pages.ClusterListPage, {"rows": ()}),
    ("clusters/list", pages.ClusterListPage, {"is_fleet_empty": True}),
    *(
        ("clusters/detail", pages.ClusterPage, {"tab": tab})
        for tab in ("applications", "labels", "values", "history", "files")
    ),
    ("clusters/form", pages.FormPage, {}),
    ("clusters/form_unreadable", pages.UnreadableFormPage, {}),
    ("clusters/form_unreadable", pages.UnreadableFormPage, {"typed": ()}),
    *(("changes/list", pages.ChangeListPage, {"rows": (), "tab": tab}) for tab in ("me", "mine")),
    ("changes/list", pages.ChangeListPage, {"tab": "all"}),
    *(
        ("changes/detail", pages.ChangePage, {"tab": tab})
        for tab in ("plan", "diff", "values", "discussion", "delivery", "evidence")
    ),
    ("changes/detail", pages.ChangePage, {"tab": "plan", "plan": None, "delivery": None}),
    ("releases/list", pages.ReleaseListPage, {}),
    ("tenants/list", pages.TenantListPage, {}),
    ("tenants/detail", pages.TenantPage, {}),
    ("lint/lint", pages.LintPage, {}),
    ("search", pages.SearchPage, {}),
    ("values/compare", pages.ComparePage, {}),
    ("values/compare", pages.ComparePage, {"comparison": None, "errors": ()}),
    ("values/search", pages.ValueSearchPage, {}),
    ("values/search", pages.ValueSearchPage, {"rows": ()}),
    ("system/system", pages.SystemPage, {}),
    ("admin/list", pages.AdminListPage, {}),
    ("admin/list", pages.AdminListPage, {"rows": ()}),
    ("admin/form", pages.AdminFormPage, {}),
    ("admin/roles", pages.RolesPage, {}),
    ("admin/token", pages.TokenPage, {}),
]
NAMES = [f"{name}-{'-'.join(f'{k}={v}' for k, v in given.items())}" for name, _, given in CASES]


def draw(template: str, page: object, **more: object) -> str:
    request = RequestFactory().get("/here/", {"q": HOSTILE})
    context = {
        "page": page,
        "request": request,
        "user": SimpleNamespace(
            is_authenticated=True, get_full_name=lambda: "", get_username=lambda: HOSTILE
        ),
        "frame": build(pages.Frame),
        **more,
    }
    return render_to_string(f"onboarding/{template}.html", context)


class Reader(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def read(html: str) -> list[tuple[str, dict[str, str | None]]]:
    reader = Reader()
    reader.feed(html)
    return reader.tags


@pytest.fixture(scope="module", params=CASES, ids=NAMES)
def html(request: pytest.FixtureRequest) -> str:
    template, kind, given = request.param
    return draw(template, build(kind, **given))


def test_it_escapes_every_word_that_it_is_given(html: str) -> None:
    assert not [attributes for tag, attributes in read(html) if tag == "img"]
    assert "&lt;img src=x" in html


def test_it_never_runs_a_word_as_a_template(html: str) -> None:
    assert "{{ 7|add:1 }}" in html
    assert "&gt;8" not in html
    assert not re.search(r"onerror=alert\(1\)&gt;\s*8", html)


def test_it_needs_no_exception_from_the_content_security_policy(html: str) -> None:
    for tag, attributes in read(html):
        assert "style" not in attributes, (tag, attributes)
        assert not [name for name in attributes if name.startswith(("on", "hx-on"))]
        assert tag != "style"
        if tag == "script":
            assert attributes.get("src", "").startswith("/static/")  # type: ignore[union-attr]


def test_it_gives_each_id_once_and_names_one_heading(html: str) -> None:
    tags = read(html)
    ids = [attributes["id"] for _, attributes in tags if attributes.get("id")]

    assert sorted(ids) == sorted(set(ids))
    assert sum(tag == "h1" for tag, _ in tags) == 1


def test_it_asks_for_the_csrf_token_in_every_form_that_posts() -> None:
    folder = settings.BASE_DIR / "templates"
    for path in folder.rglob("*.html"):
        for form in re.findall(r'<form[^>]*method="post".*?</form>', path.read_text(), re.DOTALL):
            assert "{% csrf_token %}" in form, path.name


@pytest.mark.parametrize(
    ("template", "kind", "root"),
    [
        ("overview/_overview_part", pages.OverviewPage, "overview-part"),
        ("clusters/_list_part", pages.ClusterListPage, "cluster-list-part"),
        ("clusters/_detail_part", pages.ClusterPage, "cluster-detail-part"),
        ("clusters/_preview_part", pages.FormPage, "preview-part"),
        ("changes/_list_part", pages.ChangeListPage, "change-list-part"),
        ("changes/_detail_part", pages.ChangePage, "change-detail-part"),
        ("system/_system_part", pages.SystemPage, "system-part"),
    ],
)
def test_it_draws_a_part_with_one_root_that_htmx_can_replace(
    template: str, kind: Any, root: str
) -> None:
    html = draw(template, build(kind))

    assert html.lstrip().startswith(f'<div id="{root}"')
    assert html.rstrip().endswith("</div>")
    assert "<html" not in html


@pytest.mark.parametrize("status", ["done", "active", "waiting", "failed", "todo"])
def test_it_says_each_status_of_a_step_in_words(status: Any) -> None:
    step = build(pages.TimelineStep, status=status)
    html = draw("clusters/_detail_part", build(pages.ClusterPage, tab="x", steps=(step,)))
    words = {"active": "under way", "todo": "to do"}

    assert words.get(status, status) in html
    assert f"fui-step-{status}" in html


def test_it_offers_no_decision_that_the_reader_may_not_take() -> None:
    decision = pages.Decision(denied="You asked for this change; somebody else must approve it.")

    html = draw("changes/detail", build(pages.ChangePage, tab="plan", decision=decision))

    assert "somebody else must approve it" in html
    assert "Approve this plan" not in html
    assert "Reject" not in html


def test_it_sends_what_was_seen_along_with_a_decision() -> None:
    decision = pages.Decision(digest="sha256:abc", revision=4, approve_url="/a/", reject_url="/r/")

    html = draw("changes/detail", build(pages.ChangePage, tab="plan", decision=decision))

    assert 'name="digest" value="sha256:abc"' in html
    assert 'name="revision" value="4"' in html
    assert 'formaction="/a/"' in html
    assert 'formaction="/r/"' in html


def test_it_shows_what_disappears_before_what_appears() -> None:
    html = draw("changes/detail", build(pages.ChangePage, tab="plan"))

    assert html.index("fui-impact fui-tone-red") < html.index("fui-impact fui-tone-green")


def test_it_pins_by_radio_and_by_select_where_there_are_many_values() -> None:
    few = build(pages.Answer, name="pin_few", chosen="b", options=_options("a", "b"))
    many = build(pages.Answer, name="pin_many", chosen="", options=_options(*"abcde"))
    group = build(pages.AnswerGroup, answers=(few, many))
    section = build(pages.FormSection, fields=(), groups=(group,))

    html = draw("clusters/form", build(pages.FormPage, sections=(section,)))

    assert re.search(r'type="radio"[^>]*name="pin_few" value="b" checked', html)
    assert not re.search(r'type="radio"[^>]*name="pin_few" value="" checked', html)
    assert '<select class="form-select" id="pin_many-select" name="pin_many"' in html
    assert '<option value="">Inherit' in html


def _options(*values: str) -> tuple[pages.AnswerOption, ...]:
    return tuple(pages.AnswerOption(value, value.upper()) for value in values)


def test_it_joins_the_heads_of_columns_that_share_a_cell() -> None:
    labels = ("Cluster", "Tenant", "Environment", "Hub", "Model", "Change")
    columns = tuple(pages.Column(label) for label in labels)
    listing = build(pages.Listing, columns=columns)

    heads = build(pages.ClusterListPage, listing=listing).heads

    assert [(head.label, head.also.label if head.also else "") for head in heads] == [
        ("Cluster", ""),
        ("Tenant", "Environment"),
        ("Hub", "Model"),
        ("Change", ""),
    ]
