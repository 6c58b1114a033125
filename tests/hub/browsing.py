"""A person's browser, as far as forms need one: it fills in what a page offers and sends it back."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

_UNSEEN = re.compile(r"<(script|style)\b.*?</\1>|<!--.*?-->", re.S)
_TAG = re.compile(r"<[^>]+>")


def text_of(page: str) -> str:
    """The words of a page or of a part of it, each blank once."""
    return " ".join(html.unescape(_TAG.sub(" ", _UNSEEN.sub(" ", page))).split())


@dataclass
class Form:
    """One form of a page: where it is sent to, what its fields hold, and which fields there are."""

    action: str
    values: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    actions: set[str] = field(default_factory=set)


class _Forms(HTMLParser):
    """Reads the forms of a page, each field with what a browser would send of it untouched."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._open = False
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag == "form":
            self.found.append(Form(given.get("action", "")))
            self._open = True
        elif self._open:
            self._field(tag, given)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False
        elif tag == "select":
            self._select = ""

    def _field(self, tag: str, given: Mapping[str, str]) -> None:
        form, name = self.found[-1], given.get("name", "")
        if "formaction" in given:
            form.actions.add(given["formaction"])
        if tag == "option":
            if self._select and ("selected" in given or self._select not in form.values):
                form.values[self._select] = given.get("value", "")
        elif tag == "select":
            self._select = name
            form.names.add(name)
        elif tag in {"input", "textarea"} and name and "disabled" not in given:
            form.names.add(name)
            chosen = given.get("type") in {"radio", "checkbox"}
            if not chosen or "checked" in given:
                form.values[name] = given.get("value", "on" if chosen else "")


@dataclass
class Browser:
    """One person's session with the product."""

    address: str
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str) -> str:
        """A page's text in HTML; fails on any answer but 200."""
        found = self.find(path)
        assert found is not None, f"{path}: there is no such page"
        return found

    def find(self, path: str) -> str | None:
        """A page's text in HTML, None where there is no such page; fails on any other answer."""
        answer = self.session.get(urljoin(self.address, path), timeout=30)
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, f"{path}: {answer.status_code} {text_of(answer.text)}"
        return answer.text

    def send(
        self, path: str, values: Mapping[str, str], *, having: str, action: str = ""
    ) -> requests.Response:
        """Open a page, fill in the form that has the field `having`, and send it.

        `action` presses the button that sends it elsewhere. A field that the form does not have,
        and an answer in red, fail the test.
        """
        parser = _Forms()
        parser.feed(self.get(path))
        form = next((each for each in parser.found if having in each.names), None)
        assert form is not None, f"{path} has no form with a field {having}"
        assert not (unknown := values.keys() - form.names), f"{path} has no fields {unknown}"
        target = urljoin(self.address, action or form.action or path)
        answer = self.session.post(target, {**form.values, **values}, timeout=60)
        assert answer.status_code == 200, f"{target}: {answer.status_code} {text_of(answer.text)}"
        return answer

    def close(self) -> None:
        """End the session's connections."""
        self.session.close()
