"""The other ways in: the API, a CSV, what is posted without a form, and commands."""

from __future__ import annotations

import ast
import contextlib
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.http import HttpResponse

import onboarding.views
from onboarding import wiring
from onboarding.api import mount
from onboarding.domain.bulk_csv import OPTIONAL, PLACE, read
from onboarding.domain.errors import Refused
from onboarding.forms.registration import OPTIONS
from onboarding.models import Approval, Change, Comment, Event, Fleet
from onboarding.services import discussion
from onboarding.views.exports import harmless
from tests.abuse import corpus, oracles, pages
from tests.journey import reading
from tests.journey.conftest import HUB, Place
from tests.journey.test_api import REGISTRATIONS, body, errors, program

# --- The API ---

WHOLE = {"hub", "cluster", "tenant", "environment", "secret_name", "server", "model",
         "options", "pins", "labels"}  # fmt: skip
SOME = {"model", "options", "pins", "labels"}
BODIES = {
    "register": WHOLE, "plan_registration": WHOLE, "revise": WHOLE, "plan_revision": WHOLE,
    "edit": SOME, "plan_edit": SOME,
    "offboard": {"workloads", "confirm"}, "plan_offboarding": {"workloads"},
}  # fmt: skip
# What may come through each of them, and must be refused at its own field otherwise.
NAMES: dict[str, Callable[[str], bool]] = {
    "cluster": oracles.is_name, "tenant": oracles.is_name, "environment": oracles.is_hub_name,
    "secret_name": oracles.is_secret_name, "server": oracles.is_server,
    "options.addons_repo_basepath": oracles.is_folder, "options.githubSecret": lambda _: False,
}  # fmt: skip


def operations() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Operation -> its path, method and description."""
    return {
        operation["operationId"]: (path, method, operation)
        for path, methods in mount.description()["paths"].items()
        for method, operation in methods.items()
    }


def test_every_text_that_the_api_takes_is_here() -> None:
    schemas = mount.description()["components"]["schemas"]
    for name, (_, _, operation) in operations().items():
        if "requestBody" not in operation:
            continue
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        fields = schemas[schema["$ref"].rpartition("/")[2]]["properties"]
        texts = {one for one, is_ in fields.items() if "string" in json.dumps(is_)}
        assert texts == BODIES[name], name


def test_it_refuses_every_string_at_every_field(place: Place) -> None:
    before, caller = place.refs(), program()
    for number, text in enumerate(corpus.sample(3)):
        asked: dict[str, Any] = dict.fromkeys(WHOLE - {"options", "pins", "labels"}, text)
        asked |= {"labels": {text: "x", "team": text}}
        asked |= {"options": {"addons_repo_basepath": text, "githubSecret": text}}
        asked |= {"pins": {"addonsRelease": text, "enable_cert_manager": text, "x": text}}
        answer = caller.post(REGISTRATIONS, asked, key=f"k{number}")
        assert answer.status_code in (400, 404, 413, 422), corpus.shown(text)
        clean(answer)
        # A hub that there is not is said alone.
        named = caller.post(REGISTRATIONS, asked | {"hub": HUB}, key=f"named-k{number}")
        assert named.status_code in (400, 413, 422), corpus.shown(text)
        if named.status_code == 422:
            wrong = {field for field, may_be in NAMES.items() if not may_be(text.strip())}
            assert wrong <= set(errors(named)), corpus.shown(text)
    assert not Change.objects.exists()
    for text in corpus.sample(2):
        answer = caller.post(REGISTRATIONS, body(place), key=text)
        assert answer.status_code in (201, 400, 409, 422), corpus.shown(text)
    assert place.refs() == before


def test_no_query_and_no_part_of_an_address_is_trusted(place: Place) -> None:
    caller = program()
    for name, (path, method, operation) in operations().items():
        if method != "get":
            continue
        names = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
        for text in corpus.sample(1):
            there = path
            for one in operation.get("parameters", ()):
                if one["in"] == "path":
                    there = there.replace(f"{{{one['name']}}}", quote(text[:200], safe=""))
            asked = {**dict.fromkeys(names, text)}
            answer = caller.get(there, **asked)
            assert answer.status_code in (200, 400, 404, 422), (name, corpus.shown(text))
            clean(answer)


def clean(answer: HttpResponse) -> None:
    """JSON that says so, which no browser takes for a page."""
    if answer.headers["Content-Type"].startswith("text/html"):
        assert not pages.problems(answer.content.decode())
        return
    kind = answer.headers["Content-Type"].partition(";")[0]
    assert kind in ("application/json", "application/problem+json")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    json.loads(answer.content)


# --- CSV ---


def test_a_csv_keeps_every_cell_or_refuses_it() -> None:
    columns = (*PLACE, *OPTIONAL, *OPTIONS, "pin/team")
    for text in corpus.ALL:
        written = io.StringIO()
        out = csv.writer(written)
        out.writerow(columns)
        out.writerow([text] * len(columns))
        try:
            (line,) = read(
                written.getvalue().encode("utf-8", "surrogatepass"), options=tuple(OPTIONS)
            ).lines
        except Refused:
            continue
        wrong = {name for name, _ in line.problems}
        for name in set(columns) - {"remote_addons", "remote_resources"} - wrong:
            assert line.values.get(name, "") == text.strip(), (name, corpus.shown(text))
        assert not any("\n" in one or "\0" in one for one in line.values.values())


def test_no_exported_cell_is_a_formula() -> None:
    for text in corpus.ALL:
        assert str(harmless(text))[:1] not in {*"=+-@\t\r\n＝＋－＠"}, corpus.shown(text)


# --- What is posted without a form ---

PROSE = {"body", "reason", "name"}
# Compared with what there is, or read by a rule of its own; nothing of it is kept as it was typed.
COMPARED = {"change", "cluster", "confirm", "digest", "editing_hub", "editing_name", "hours", "kept",
            "label", "list", "logout_token", "password", "query", "seen", "to", "username",
            "workloads"}  # fmt: skip


def posted_names() -> set[str]:
    """Every name that a view takes out of what was posted, as its source says."""
    found = set()
    for path in Path(onboarding.views.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            at, key = None, None
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                at, key = node.func.value, node.args[0]
            elif isinstance(node, ast.Subscript):
                at, key = node.value, node.slice
            if (
                at is not None
                and isinstance(key, ast.Constant)
                and ast.unparse(at).endswith("request.POST")
            ):
                found.add(str(key.value))
    return found


def test_every_posted_name_is_here() -> None:
    assert posted_names() == PROSE | COMPARED, "say in PROSE or COMPARED what a view takes"


def test_what_people_write_hides_nothing_and_is_text_in_every_page(place: Place) -> None:
    """All strings at once on one page: a discussion, a rejection, the trail, and what is exported."""
    place.post("requester", "/clusters/register/", place.form())
    change = Change.objects.get()
    here = f"/changes/{change.pk}/"
    for text in corpus.sample(1):
        answer = place.post("viewer", f"{here}comment/", {"body": text})
        assert answer.status_code in (302, 422), corpus.shown(text)
    viewer = User.objects.get(username="viewer")
    for text in corpus.sample(14):
        with contextlib.suppress(Refused):
            discussion.comment(change_id=change.pk, body=text, actor=viewer, clock=wiring.clock())
    kept = list(Comment.objects.values_list("body", flat=True))
    assert len(kept) > 60
    assert all(map(oracles.is_prose, kept))
    assert set(corpus.GROUPS["html"]) & set(kept)
    decision = reading.decision(place.get("approver", here))
    for text in corpus.sample(1):
        place.post("approver", f"{here}approve/", {"digest": "x", "reason": text, "confirm": text})
    reason = "</script><img src=x onerror=alert(1)> =1+1"
    place.post("approver", f"{here}reject/", decision | {"reason": reason})
    assert Approval.objects.get().reason == reason
    for name in corpus.sample(2):
        place.post(
            "requester", "/filters/save/", {"list": "clusters", "name": name, "query": "q=a"}
        )
    for path in (
        f"{here}?tab=discussion",
        here,
        f"{here}?tab=evidence",
        "/audit/",
        "/changes/",
        "/",
        "/clusters/",
    ):
        answer = place.get("requester", path)
        assert answer.status_code == 200
        assert not pages.problems(answer.content.decode()), path
    shown = pages.text_of(place.get("viewer", f"{here}?tab=discussion").content.decode())
    for text in set(corpus.GROUPS["html"]) & set(kept):
        assert " ".join(text.split()) in " ".join(shown.split()), corpus.shown(text)
    assert all(map(oracles.is_prose, Event.objects.values_list("message", flat=True)))
    exported = b"".join(place.get("viewer", "/audit/export.csv").streaming_content)  # type: ignore[attr-defined]
    for row in csv.reader(io.StringIO(exported.decode())):
        assert not any(cell[:1] in {*"=+-@"} for cell in row if cell)


# --- What stands in an address ---


def test_no_page_is_led_astray_by_its_address(place: Place) -> None:
    queries = ("q", "state", "tenant", "sort", "page", "tab", "component", "a", "b", "rev", "severity",
               "fleet", "inbox", "show", "cause", "file", "next", "hub", "secret_name", "since", "verb")  # fmt: skip
    listed = ("/", "/clusters/", "/applications/", "/changes/", "/search/", "/values/", "/lint/", "/audit/",
              "/releases/", "/tenants/tenant1/", "/clusters/compare/", "/plan/", "/clusters/register/",
              "/layers/edit/", "/rollouts/new/", "/bulk/edit/")  # fmt: skip
    strings = corpus.sample(1)
    for number, path in enumerate(listed):
        for text in (strings[number % len(strings)], corpus.GROUPS["html"][5], "a\0b"):
            answer = place.clients["requester"].get(path, dict.fromkeys(queries, text))
            assert answer.status_code in (200, 302, 404, 422), (path, corpus.shown(text))
            if answer.status_code != 302:
                assert not pages.problems(answer.content.decode()), (path, corpus.shown(text))
    for text in corpus.GROUPS["https"]:
        answer = place.clients["requester"].get("/login/", {"next": text})
        if answer.status_code == 302:
            there = urljoin("https://here.example/login/", answer["Location"])
            assert urlsplit(there).netloc == "here.example", corpus.shown(text)


# --- Commands ---

OWN = sorted(name for name, app in get_commands().items() if app == "onboarding")
# They serve until they are stopped, or start the whole product.
ENDLESS = {"demo", "watch_hubs"}


@pytest.mark.parametrize("name", sorted(set(OWN) - ENDLESS))
def test_a_command_refuses_in_words(
    place: Place, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every argument of a command with a string: an error in words, no other, and nothing written."""
    before, people = place.refs(), User.objects.count()
    monkeypatch.setattr("getpass.getpass", lambda prompt: "")
    monkeypatch.chdir(tmp_path)
    parser = load_command_class("onboarding", name).create_parser("manage.py", name)
    standard = {"help", "version", "verbosity", "settings", "pythonpath", "traceback", "no_color",
                "force_color", "skip_checks", "wait", "timeout"}  # fmt: skip
    taken = [
        one
        for one in parser._actions
        if one.dest not in standard and one.nargs != 0 and not one.choices and one.type is not int
    ]
    for number, action in enumerate(taken):
        strings = corpus.sample(1)
        for text in (strings[number % len(strings)], "a\x1b[31m\u202eb"):
            line = [f"{action.option_strings[0]}={text}"] if action.option_strings else ["--", text]
            out, err = io.StringIO(), io.StringIO()
            try:
                call_command(name, *line, stdout=out, stderr=err)
            except (CommandError, SystemExit) as error:
                said = f"{out.getvalue()}{err.getvalue()}{error}"
            else:
                said = f"{out.getvalue()}{err.getvalue()}"
            assert "\x1b" not in said.replace(text, ""), (action.dest, corpus.shown(text))
    assert place.refs() == before
    assert not Change.objects.exists()
    assert (Fleet.objects.count(), User.objects.count()) == (1, people)
