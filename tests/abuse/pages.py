"""What a browser would make of a page: no element, attribute or address that the product did not put there."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

TEMPLATES = Path(__file__).parents[2] / "templates"
_ADDRESSES = {"href", "src", "action", "formaction", "hx-get", "hx-post", "xlink:href", "poster",
              "data", "srcset", "cite", "background", "ping", "manifest"}  # fmt: skip
# Nothing that a page of ours ever has.
_NEVER_TAGS = {"iframe", "object", "embed", "base", "style", "template", "math", "frame", "applet",
               "noscript", "marquee", "video", "audio"}  # fmt: skip
_NEVER_ATTRIBUTES = {"style", "srcdoc", "background", "ping", "manifest", "http-equiv"}
_VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
_PLAIN_TAG = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_PLAIN_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9:_-]*")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self.shape: list[tuple[str, tuple[str, ...]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append((tag, tuple(sorted(name for name, _ in attrs))))
        if tag in _NEVER_TAGS or not _PLAIN_TAG.fullmatch(tag):
            self.problems.append(f"element <{tag}>")
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.problems.append(f"<{tag}> has an attribute twice: {names}")
        for name, value in attrs:
            self._attribute(tag, name, value or "")
        if tag == "script" and not dict(attrs).get("src", ""):
            self.problems.append("a script in the page itself")

    def _attribute(self, tag: str, name: str, value: str) -> None:
        odd = not _PLAIN_ATTRIBUTE.fullmatch(name)
        if odd or name in _NEVER_ATTRIBUTES or name.startswith("on") or name.startswith("hx-on"):
            self.problems.append(f"<{tag}> has the attribute {name}")
        if name in _ADDRESSES and not _is_safe(tag, name, value):
            self.problems.append(f"<{tag}> leads to {value[:80]!r}")

    def handle_comment(self, data: str) -> None:
        self.problems.append(f"a comment: {data[:60]!r}")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def _is_safe(tag: str, name: str, value: str) -> bool:
    """An address of this site, or of http or https where a person follows a link."""
    if value != value.strip() or any(ord(one) < 32 for one in value):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    if not parts.scheme and not parts.netloc:
        return not value.startswith(("//", "\\"))
    is_link = tag == "a" and name == "href"
    return is_link and parts.scheme in ("http", "https") and not parts.username


def problems(page: str) -> list[str]:
    """What is in a page that must not be."""
    found = _Page()
    found.feed(page)
    found.close()
    return found.problems


def text_of(page: str) -> str:
    """All that a person reads of a page."""
    found = _Page()
    found.feed(page)
    found.close()
    return "".join(found.text)
