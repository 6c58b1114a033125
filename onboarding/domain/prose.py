"""What people write for people: reasons, comments, titles. It may say anything, but hide nothing.

It is shown in pages, e-mail, webhooks, exports and terminals, and stays in the audit trail. So a
character that no reader sees, or that turns the text around it, is refused where it is entered.
"""

from __future__ import annotations

import unicodedata

from onboarding.domain.errors import Refused

LONGEST = 2_000
"""Characters of a reason, as of most texts."""

# Joiners are letters' business in some languages, and of emoji.
_JOINERS = frozenset("\u200c\u200d")
# Blank to the eye, letters by their category.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def hidden_in(text: str, *, lines: bool = False) -> str:
    """The first character that readers would not see, as `U+202E`; "" where there is none.

    Those are control and format characters (NUL, escape sequences, bidirectional overrides, zero
    width), blanks that are no space, and code points that mean nothing. `lines` allows line ends
    and tabs.
    """
    for character in text:
        if lines and character in "\n\t":
            continue
        is_hidden = unicodedata.category(character) in _HIDDEN and character not in _JOINERS
        if is_hidden or character in _BLANK:
            return f"U+{ord(character):04X}"
    return ""


def prose(text: str, *, field: str, longest: int = LONGEST) -> str:
    """A text of some lines, without blanks around it, its line ends `\\n`.

    Raises `Refused` at `field` where it is too long or hides something.
    """
    said = text.replace("\r\n", "\n").strip()
    _check(said, field=field, longest=longest, lines=True)
    return said


def line(text: str, *, field: str, longest: int = 200) -> str:
    """A text of one line, without blanks around it; raises as `prose`."""
    said = text.strip()
    _check(said, field=field, longest=longest, lines=False)
    return said


def _check(said: str, *, field: str, longest: int, lines: bool) -> None:
    if len(said) > longest:
        raise Refused(
            f"This has {len(said):,} characters; {longest:,} are allowed. Shorten it.",
            field=field,
            code="too_long",
        )
    if hidden := hidden_in(said, lines=lines):
        raise Refused(
            f"This has a character that nobody sees ({hidden}), such as a line break or a mark "
            "that turns text around. Type it anew instead of pasting it."
            if not lines
            else f"This has a character that nobody sees ({hidden}). Type it anew instead of "
            "pasting it.",
            field=field,
            code="hidden_character",
        )
