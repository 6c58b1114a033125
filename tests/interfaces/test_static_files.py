"""The files that browsers fetch: all ours or vendored as recorded, none from elsewhere."""

from __future__ import annotations

import hashlib
import re

import pytest
from django.conf import settings

STATIC = settings.BASE_DIR / "static"
SHEETS = sorted(STATIC.rglob("*.css"))


@pytest.mark.parametrize("folder", ["tabler", "fonts"])
def test_it_holds_vendored_files_exactly_as_recorded(folder: str) -> None:
    vendored = STATIC / "vendor" / folder
    lines = (vendored / "SHA256SUMS").read_text().splitlines()
    recorded = dict(reversed(line.split("  ")) for line in lines)

    assert recorded
    for name, digest in recorded.items():
        assert hashlib.sha256((vendored / name).read_bytes()).hexdigest() == digest, name
    kept = {path.name for path in vendored.iterdir()} - {"SHA256SUMS", "VERSION"}
    assert kept == set(recorded)


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_it_fetches_nothing_from_elsewhere(sheet) -> None:
    text = sheet.read_text()
    targets = re.findall(r"url\(\s*[\"']?([^\"')]+)", text)

    for target in targets:
        if not target.startswith("data:"):
            assert (sheet.parent / target).is_file(), target
    assert "@import" not in text
    assert "sourceMappingURL" not in text, "a map that is not there breaks hashed file names"


def test_it_keeps_every_state_colour_in_both_themes() -> None:
    text = (STATIC / "fleetui" / "fleetui.css").read_text()

    for tone in ("green", "amber", "red", "blue", "violet", "grey"):
        for part in ("dot", "text", "tint"):
            assert re.search(rf"--fui-{tone}-{part}: light-dark\(#\w{{6}}, #\w{{6}}\);", text)


def test_it_uses_no_class_in_a_template_that_the_style_sheet_does_not_know() -> None:
    known = set(re.findall(r"\.(fui-[\w-]+)", (STATIC / "fleetui" / "fleetui.css").read_text()))
    unknown = set()
    for path in (settings.BASE_DIR / "templates").rglob("*.html"):
        for attribute in re.findall(r'class="([^"]*)"', path.read_text()):
            # A class that is put together from a variable cannot be looked up.
            words = re.sub(r"[\w-]*\{\{.*?\}\}[\w-]*|\{%.*?%\}", " ", attribute)
            unknown |= {word for word in words.split() if word.startswith("fui-")} - known

    assert not {word for word in unknown if not word.endswith("-")}
