"""Reading pages as a browser does: the forms with what they would send, texts by id, the timeline."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser

from django.http import HttpResponse

_VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
_STEP = re.compile(r'fui-step fui-step-(\w+)".*?fui-step-title">\s*(?:<a[^>]*>)?([^<]*)', re.DOTALL)
_APPLICATION = re.compile(r'id="application-([^"]+)"')
_VERSION = re.compile(r'id="application-([^"]+)".*?data-label="Version"[^>]*>([^<]*)<', re.DOTALL)
_VERDICT = re.compile(r'fui-state-large">(?:<span[^>]*></span>)?([^<]*)<')


@dataclass
class Form:
    """One form of a page: where it is sent to, and what a browser would send if nobody typed."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self, wanted: str = "") -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.text = ""
        self._wanted = wanted
        self._inside: list[str] = []
        self._form: Form | None = None
        self._select = self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if self._inside or (self._wanted and found.get("id") == self._wanted):
            self._inside += [] if tag in _VOID else [tag]
        if tag == "form":
            self._form = Form(found.get("action", ""))
            self.forms.append(self._form)
        if self._form is None or "disabled" in found:
            return
        name, value = found.get("name", ""), found.get("value", "")
        if tag == "input" and name and _is_sent(found):
            self._form.fields[name] = value or ("on" if "value" not in found else "")
            if found.get("type", "text") not in {"checkbox", "radio"}:
                self._form.fields[name] = value
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            if "selected" in found or self._select not in self._form.fields:
                self._form.fields[self._select] = value
        elif tag == "textarea":
            self._area = name
            self._form.fields[name] = ""

    def handle_endtag(self, tag: str) -> None:
        if self._inside:
            self._inside.pop()
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.text += data
        if self._area and self._form is not None:
            self._form.fields[self._area] += data


def _is_sent(found: dict[str, str]) -> bool:
    kind = found.get("type", "text")
    return kind not in {"submit", "button"} and (
        kind not in {"checkbox", "radio"} or "checked" in found
    )


def html(answer: HttpResponse) -> str:
    """The page's markup."""
    return answer.content.decode()


def words(answer: HttpResponse) -> str:
    """The page's markup with entities resolved: what its sentences are looked for in."""
    return unescape(html(answer))


def form(answer: HttpResponse, action: str) -> dict[str, str]:
    """What the form with this action would send as it stands; there has to be exactly one."""
    reader = _Reader()
    reader.feed(html(answer))
    (found,) = [one for one in reader.forms if one.action == action]
    return found.fields


def decision(answer: HttpResponse) -> dict[str, str]:
    """What the form of a change's page would send with a decision; there has to be exactly one."""
    reader = _Reader()
    reader.feed(html(answer))
    (found,) = [one for one in reader.forms if "digest" in one.fields]
    return found.fields


def text(answer: HttpResponse, element: str) -> str:
    """All text inside the element with this id; "" where the page has none."""
    reader = _Reader(element)
    reader.feed(html(answer))
    return reader.text


def error_at(answer: HttpResponse, name: str) -> str:
    """The error that the registration form shows at a field, in one line; "" where there is none."""
    own = text(answer, f"id_{name}_error") or text(answer, f"answer-{name}_error")
    return " ".join(own.split())


def timeline(answer: HttpResponse) -> dict[str, str]:
    """The onboarding timeline of a cluster's page: title -> done, active, waiting, failed or todo."""
    return {title.strip(): status for status, title in _STEP.findall(words(answer))}


def verdict(answer: HttpResponse) -> str:
    """The one word that a cluster's page says about it."""
    found = _VERDICT.search(words(answer))
    return found.group(1).strip() if found else ""


def applications(answer: HttpResponse) -> list[str]:
    """The names of the Applications that a cluster's page lists."""
    return _APPLICATION.findall(html(answer))


def versions(answer: HttpResponse) -> dict[str, str]:
    """The version that a cluster's page shows for each Application."""
    return dict(_VERSION.findall(words(answer)))
