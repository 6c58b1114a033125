"""What people write for people: nothing hidden in it, and no more than a page can show."""

from __future__ import annotations

import pytest

from onboarding.domain import prose
from onboarding.domain.errors import Refused


@pytest.mark.parametrize(
    "text",
    ["Because of #12, “urgent” <b>!", "Grüße, 東京, می‌خواهم, 👩‍💻", "two\n\tlines\r\nof text", ""],
)
def test_it_takes_what_people_write(text: str) -> None:
    assert prose.prose(f"  {text} ", field="reason") == text.replace("\r\n", "\n")


@pytest.mark.parametrize(
    "text",
    ["a\0b", "a\x1b[31mb", "a\x9bb", "a\u202eb", "a\u2066b", "a\u200bb", "a\ufeffb", "a\u00adb", "a\u2028b",
     "a\rb", "a\x0bb", "a\ud800b", "a\ue000b", "a\ufffeb", "a\u2800b", "a\U000e0041b"],
)  # fmt: skip
def test_it_refuses_what_nobody_sees(text: str) -> None:
    for read in (prose.prose, prose.line):
        with pytest.raises(Refused) as refused:
            read(text, field="reason")
        (one,) = refused.value.refusals
        assert (one.field, one.code) == ("reason", "hidden_character")
        assert f"(U+{ord(text[1]):04X})" in one.message


def test_a_title_is_one_line() -> None:
    assert prose.line(" New  title ", field="title") == "New  title"
    with pytest.raises(Refused, match=r"U\+000A"):
        prose.line("a\nb", field="title")


def test_it_refuses_what_is_too_long_instead_of_cutting_it() -> None:
    assert len(prose.prose("a" * 2_000, field="reason")) == 2_000
    with pytest.raises(Refused, match="2,001 characters; 2,000 are allowed"):
        prose.prose("a" * 2_001, field="reason")
