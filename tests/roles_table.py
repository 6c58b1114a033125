"""The tables of docs/access.md, as the tests hold the product against them."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "access.md"
PEOPLE = ("none", "viewer", "requester", "approver", "administrator", "neighbour")
ANSWERS = {"yes", "no", "absent"}


def table(heading: str) -> dict[tuple[str, ...], dict[str, str]]:
    """The rows below a heading: the cells before the answers -> person -> answer."""
    text = DOCUMENT.read_text(encoding="utf-8")
    _, found, rest = text.partition(f"## {heading}\n")
    assert found, heading
    lines = [
        [cell.strip().strip("`") for cell in line.strip("|\n ").split("|")]
        for line in re.split(r"^## ", rest, flags=re.M)[0].splitlines()
        if line.startswith("|")
    ]
    head, body = lines[0], lines[2:]
    assert tuple(head[-len(PEOPLE) :]) == PEOPLE, head
    rows = {}
    for cells in body:
        answers = cells[-len(PEOPLE) :]
        assert set(answers) <= ANSWERS, cells
        key = tuple(cells[: -len(PEOPLE)])
        assert key not in rows, key
        rows[key] = dict(zip(PEOPLE, answers, strict=True))
    return rows
