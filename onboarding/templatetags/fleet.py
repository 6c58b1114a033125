"""Small words for templates: icons, ages, states, links that keep the query, diffs.

No fleet logic lives here: pages receive finished objects, these tags only draw them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import Protocol

from django import template
from django.template import Context
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from lucide import _render_icon as draw_lucide

from onboarding.templatetags._diff_rendering import highlight, render_patch
from onboarding.templatetags._tones import tone_of

register = template.Library()

_STROKE = (
    ' fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round"'
    ' stroke-linejoin="round"'
)
_SPACE_BETWEEN = re.compile(r"(?<=>)\s+(?=<)| (?=/>)")


class BarSegment(Protocol):
    """One part of a stacked bar. Frozen dataclasses fit too."""

    @property
    def word(self) -> str: ...

    @property
    def count(self) -> int: ...


@register.simple_tag
def icon(name: str, extra_class: str = "", title: str = "") -> SafeString:
    """A lucide icon by name. Without a title it is decoration and hidden from screen readers."""
    return _icon(str(name), str(extra_class), str(title))


@cache
def _icon(name: str, extra_class: str, title: str) -> SafeString:
    attributes = {"class": f"fui-icon {extra_class}".strip()}
    if title:
        attributes |= {"role": "img", "aria-label": title}
    else:
        attributes |= {"aria-hidden": "true"}
    # A list has a hundred icons: how they are drawn stands in the style sheet, once for all.
    drawn = _SPACE_BETWEEN.sub("", draw_lucide(name, 16, **attributes).replace(_STROKE, ""))
    # Safe: lucide builds the element with ElementTree, which escapes each attribute.
    return mark_safe(drawn)  # noqa: S308 - see above


@register.filter
def duration(value: timedelta | float | None) -> str:
    """A length of time in at most two units: `12 s`, `3 min`, `2 h 5 min`, `4 d 6 h`."""
    if value is None:
        return ""
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    whole = max(0, int(seconds))
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    for place, (unit, size) in enumerate(units):
        if whole < size:
            continue
        first, rest = divmod(whole, size)
        if first < 10 and unit in {"d", "h"}:
            next_unit, next_size = units[place + 1]
            if second := rest // next_size:
                return f"{first} {unit} {second} {next_unit}"
        return f"{first} {unit}"
    return "0 s"


@register.filter
def age(value: datetime | None) -> str:
    """How long ago a moment was, without "ago". Empty for a moment that never was."""
    return "" if value is None else duration(timezone.now() - value)


@register.simple_tag
def relative_time(value: datetime | None, style: str = "ago", never: str = "never") -> SafeString:
    """A `<time>` that reads as an age, tells the full time on hover and is kept true by script.

    Style "bare" leaves out "ago". A moment that is None reads as `never`.
    """
    if value is None:
        return format_html('<span class="fui-quiet">{}</span>', never)
    ahead = value - timezone.now()
    if ahead > timedelta(seconds=5):
        words = f"in {duration(ahead)}"
    else:
        words = age(value) if style == "bare" else f"{age(value)} ago"
    return format_html(
        '<time datetime="{}" title="{}" data-relative="{}">{}</time>',
        value.isoformat(),
        timezone.localtime(value).strftime("%Y-%m-%d %H:%M:%S %Z"),
        style,
        words,
    )


@register.filter
def short_sha(value: str | None) -> str:
    """The first eight digits of a commit or digest, without an algorithm's prefix."""
    return (value or "").rpartition(":")[2][:8]


@register.simple_tag
def state_dot(word: object, tone: str = "") -> SafeString:
    """The dot alone, for places where the word already stands beside it."""
    return format_html(
        '<span class="fui-dot fui-tone-{}" aria-hidden="true"></span>', tone or tone_of(word).value
    )


@register.simple_tag
def state(
    word: object, reason: str = "", tone: str = "", badge: bool = False, large: bool = False
) -> SafeString:
    """One state: dot and word, and a quiet line beside it. The colour comes from the word.

    `<c-state>` draws by this; rows of long lists call it themselves, as a component costs ten times
    as much.
    """
    classes = f"fui-state fui-tone-{tone or tone_of(word).value}"
    classes += " fui-state-badge" * badge + " fui-state-large" * large
    drawn = format_html(
        '<span class="{}"><span class="fui-dot" aria-hidden="true"></span>{}</span>', classes, word
    )
    return drawn + format_html(' <span class="fui-reason">{}</span>', reason) if reason else drawn


@register.simple_tag
def parts(
    done: int, total: int, segments: Iterable[BarSegment] = (), thick: bool = False
) -> SafeString:
    """Parts of a whole as a bar, with the numbers as text: "41/43". `thick`: the bar alone, larger.

    `<c-bar>` draws by this, and rows of long lists call it themselves.
    """
    if thick:
        return stacked_bar(segments, total, "fui-bar-thick")
    return format_html(
        '<span class="fui-bar-row"><span class="fui-number">{}/{}</span>{}</span>',
        done,
        total,
        stacked_bar(segments, total),
    )


@register.simple_tag
def badge(content: object, picture: str = "", href: str = "", kind: str = "") -> SafeString:
    """A neutral word in a box, with an icon before it; a link where it leads somewhere.

    `<c-badge>` draws by this, and rows of long lists call it themselves.
    """
    drawn = _icon(picture, "", "") if picture else ""
    if href:
        return format_html('<a class="fui-badge" href="{}">{}{}</a>', href, drawn, content)
    classes = f"fui-badge fui-badge-{kind}" if kind else "fui-badge"
    return format_html('<span class="{}">{}{}</span>', classes, drawn, content)


@register.filter
def initials(name: object) -> str:
    """Two letters for a person: of the first two parts of the name."""
    parts = [part for part in str(name).replace(".", " ").replace("-", " ").split() if part]
    return "".join(part[0] for part in parts[:2]) or "?"


@register.simple_tag(takes_context=True)
def query_replace(context: Context, **changes: object) -> str:
    """This page's query string with some parameters replaced; None or "" removes one.

    Any change other than of the page itself also goes back to the first page.
    """
    query = context["request"].GET.copy()
    if "page" not in changes:
        query.pop("page", None)
    for name, value in changes.items():
        if value is None or value == "":
            query.pop(name, None)
        else:
            query[name] = str(value)
    return f"?{query.urlencode()}" if query else "?"


@register.filter
def diff_html(patch: str | None) -> SafeString:
    """A unified patch as one block per file. Its text is escaped whatever it holds."""
    return render_patch(patch or "")


@register.filter
def yaml_html(text: str | None) -> SafeString:
    """A YAML document coloured line by line, escaped."""
    lines = (text or "").split("\n")
    return format_html_join("\n", "{}", ((highlight(line, ".yaml"),) for line in lines))


@register.simple_tag
def stacked_bar(
    segments: Iterable[BarSegment], total: int | None = None, extra_class: str = ""
) -> SafeString:
    """Parts of a whole as one bar, named in words for who cannot see it.

    An SVG, because widths in a style attribute would break the content security policy.
    """
    parts = [part for part in segments if part.count > 0]
    whole = max(int(total or 0), sum(part.count for part in parts))
    drawn: list[tuple[str, str, str]] = []
    start = 0.0
    for part in parts:
        width = 100 * part.count / whole
        drawn.append((tone_of(part.word).value, f"{start:.3f}", f"{width:.3f}"))
        start += width
    words = ", ".join(f"{part.count} {part.word}" for part in parts) or "nothing"
    return format_html(
        '<svg class="fui-bar {}" viewBox="0 0 100 6" preserveAspectRatio="none" role="img"'
        ' aria-label="{}">{}</svg>',
        extra_class,
        f"{words}, of {whole}",
        format_html_join("", '<rect class="fui-tone-{}" x="{}" width="{}" height="6"/>', drawn),
    )


@register.simple_tag
def length_bar(share: int) -> SafeString:
    """A bar of so many hundredths; the number it stands for is written beside it, so it is decoration."""
    return format_html(
        '<svg class="fui-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="fui-tone-blue" width="{}" height="6"/></svg>',
        max(1, min(100, int(share))),
    )
