"""The threat model's page: what it names exists, and what it promises by number is so."""

from __future__ import annotations

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

from onboarding.models import Hub

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()
ROWS = {
    cells[0]: cells
    for line in PAGE.splitlines()
    if line.startswith("| T") and (cells := [one.strip() for one in line.strip("|").split(" | ")])
}
LIMITS = re.findall(r"^\| [^|]+ \| ([0-9]+)[^|]*\| `([\w.]+)` \|$", PAGE, re.MULTILINE)


@cache
def functions_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_no_threat_is_left_out() -> None:
    assert list(ROWS) == [f"T{number}" for number in range(1, len(ROWS) + 1)]
    assert len(ROWS) >= 23


@pytest.mark.parametrize("number", ROWS)
def test_each_threat_has_a_rule_somewhere_and_a_test(number: str) -> None:
    _, wanted, rule, shown = ROWS[number]
    assert wanted
    named = re.findall(r"`((?:onboarding|fleetui|deploy|\.ci)/[\w./-]+)`", rule)
    assert named, "say where the rule lives"
    assert all((ROOT / path).exists() for path in named)
    found = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", shown)
    assert found, "name a test"
    assert shown.count("`") == 2 * len(found)
    for path, name in found:
        assert name in functions_in(path), f"{path} has no {name}"


@pytest.mark.parametrize(("number", "where"), LIMITS, ids=[where for _, where in LIMITS])
def test_each_limit_is_what_the_code_says(number: str, where: str) -> None:
    module, _, name = where.rpartition(".")
    assert getattr(importlib.import_module(module), name) == int(number)


def test_the_limits_are_read() -> None:
    assert len(LIMITS) > 20


def test_no_kubeconfig_is_ever_loaded() -> None:
    """Those may name programs that run when they are read; nothing of the product reads one."""
    assert set(Hub.Access.values) == {"token_file", "in_cluster", "eks"}
    loads = re.compile(
        r"kubernetes\.config|from kubernetes import config|load_kube_config|new_client_from"
    )
    for path in (ROOT / "onboarding").rglob("*.py"):
        assert not loads.search(path.read_text()), path
