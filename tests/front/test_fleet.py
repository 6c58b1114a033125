"""The front door: what it says where something is missing, and what it hands on."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import subprocess
import sys
from types import ModuleType

import pytest
from django.conf import settings


@pytest.fixture
def fleet(monkeypatch, tmp_path) -> ModuleType:
    """The file `fleet` as a module, in an empty folder; nothing it starts is started."""
    path = str(settings.BASE_DIR / "fleet")
    loader = importlib.machinery.SourceFileLoader("fleet_front_door", path)
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    module.HOME = tmp_path
    module.LOCKS = tmp_path / "locks"
    module.VENV = tmp_path / ".venv"
    module.PYTHON = tmp_path / ".venv/bin/python"
    module.TOOLS = tmp_path / ".cache/uv"
    module.LOCKS.mkdir()
    (module.LOCKS / "development.txt").write_text("django==5.2\n")
    module.ran = []

    def run(*command, environment=None):
        module.ran.append([str(word) for word in command])
        if "venv" in command:
            module.PYTHON.parent.mkdir(parents=True)
            module.PYTHON.touch()
        return 0

    module.run = run
    monkeypatch.delenv("CI", raising=False)
    return module


def test_it_uses_nothing_but_the_standard_library():
    alone = subprocess.run(
        [sys.executable, "-I", "-S", str(settings.BASE_DIR / "fleet"), "--help"],
        capture_output=True,
        text=True,
    )

    assert alone.returncode == 0, alone.stderr
    assert "./fleet demo" in alone.stdout


def test_a_module_is_compiled_once_for_all_processes_and_not_beside_its_source(
    fleet, monkeypatch, tmp_path
):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", "")
    monkeypatch.setattr(fleet, "BYTECODE", tmp_path / "bytecode")
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "loaded.py").touch()

    fleet.keep_bytecode()
    subprocess.run([sys.executable, "-c", "import loaded"], cwd=tmp_path / "sources", check=True)

    assert [path.name for path in (tmp_path / "sources").iterdir()] == ["loaded.py"]
    assert len(list((tmp_path / "bytecode").rglob("loaded.*.pyc"))) == 1


def test_it_installs_once_and_again_when_the_lock_file_has_changed(fleet, monkeypatch):
    monkeypatch.setattr(fleet, "find_uv", lambda: "uv")

    fleet.install()
    first = list(fleet.ran)
    fleet.install()
    unchanged = list(fleet.ran)
    (fleet.LOCKS / "development.txt").write_text("django==5.2.1\n")
    fleet.install()

    assert [command[1] for command in first] == ["venv", "pip"]
    assert all("--no-python-downloads" in command for command in first)
    assert "--require-hashes" in first[1]
    assert unchanged == first
    assert [command[1] for command in fleet.ran[len(first) :]] == ["pip"]


def test_it_does_not_call_an_installation_done_that_failed(fleet, monkeypatch):
    monkeypatch.setattr(fleet, "find_uv", lambda: "uv")
    monkeypatch.setattr(fleet, "run", lambda *command, environment=None: 2)

    with pytest.raises(SystemExit) as ended:
        fleet.install()

    assert ended.value.code == 2
    assert not (fleet.VENV / ".fleet-lock").exists()


def test_it_says_what_to_install_where_debians_python_lacks_venv(fleet, monkeypatch, capsys):
    monkeypatch.setattr(fleet.shutil, "which", lambda name: None)
    monkeypatch.setattr(fleet, "answers", lambda *command: False)

    with pytest.raises(SystemExit) as ended:
        fleet.find_uv()

    assert ended.value.code == 1
    assert "apt install python3-venv" in capsys.readouterr().err
    assert fleet.ran == []


def test_it_does_not_trust_a_uv_that_does_not_answer(fleet, monkeypatch):
    monkeypatch.setattr(fleet.shutil, "which", lambda name: f"/broken/{name}")
    monkeypatch.setattr(fleet, "answers", lambda command, *rest: "broken" not in str(command))
    monkeypatch.setattr(fleet, "TOOLS", fleet.HOME / "own")

    assert fleet.find_uv() == fleet.HOME / "own" / "bin" / "uv"


def test_it_says_what_to_install_where_git_is_missing(fleet, monkeypatch, capsys):
    monkeypatch.setattr(fleet.shutil, "which", lambda name: None)

    with pytest.raises(SystemExit):
        fleet.require_python_and_git()

    assert "apt install git" in capsys.readouterr().err


def test_it_names_the_python_that_is_too_old(fleet, monkeypatch, capsys):
    monkeypatch.setattr(fleet.sys, "version_info", (3, 9, 2))

    with pytest.raises(SystemExit):
        fleet.require_python_and_git()

    assert "Python 3.11 or newer; this is 3.9.2" in capsys.readouterr().err


@pytest.fixture
def tests_only(fleet, monkeypatch):
    """No installation; remember what the front door would have become."""
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(fleet, "install", lambda: None)
    became = []
    monkeypatch.setattr(fleet, "become", lambda *command, environment: became.append(command) or 0)
    fleet.became = became
    return fleet


def test_it_leaves_the_browser_tests_out_where_there_is_no_browser(tests_only, monkeypatch, capsys):
    monkeypatch.setattr(tests_only, "find_chromium", lambda: None)

    assert tests_only.test(["-q"]) == 0

    assert "--ignore=tests/browser" in tests_only.became[0]
    assert tests_only.became[0][-1] == "-q"
    assert "apt install chromium" in capsys.readouterr().err


def test_it_fails_where_everything_must_run_and_a_group_cannot(tests_only, monkeypatch):
    monkeypatch.setattr(tests_only, "find_chromium", lambda: None)
    monkeypatch.setenv("CI", "true")

    with pytest.raises(SystemExit) as ended:
        tests_only.test([])

    assert ended.value.code == 1
    assert tests_only.became == []


def test_it_runs_the_browser_tests_where_there_is_a_browser(tests_only, monkeypatch):
    monkeypatch.setattr(tests_only, "find_chromium", lambda: "/usr/bin/chromium")

    tests_only.test([])

    assert "--ignore=tests/browser" not in tests_only.became[0]


def test_it_says_so_where_a_group_has_no_tests_yet(tests_only, capsys):
    assert tests_only.test(["hub"]) == 2

    assert "no hub tests" in capsys.readouterr().err


def test_it_says_what_real_services_need(tests_only, monkeypatch, capsys):
    (tests_only.HOME / "tests").mkdir()
    monkeypatch.setattr(tests_only.shutil, "which", lambda name: None)

    assert tests_only.test(["services"]) == 2

    assert "apt install redis-server" in capsys.readouterr().err


def test_it_starts_the_demo_beside_a_real_hub_where_that_is_asked_for(tests_only, capsys):
    assert tests_only.demo(["--hub", "real", "--port", "8123"]) == 0
    assert tests_only.became == [("-m", "tests.hub.demo", "--port", "8123")]

    assert tests_only.demo(["--hub", "imaginary"]) == 2
    assert "--hub real" in capsys.readouterr().err
    assert len(tests_only.became) == 1


@pytest.mark.parametrize(("everything", "code"), [("", 2), ("true", 1)])
def test_it_leaves_the_hub_tests_out_where_the_hub_cannot_be_built(
    tests_only, monkeypatch, capsys, everything, code
):
    (tests_only.HOME / "tests/hub").mkdir(parents=True)
    monkeypatch.setattr(tests_only, "hub_problem", lambda: "Go is not installed.")
    monkeypatch.setenv("CI", everything)

    assert tests_only.test(["hub"]) == code

    assert "Go is not installed." in capsys.readouterr().err
    assert tests_only.ran == []


def test_it_names_the_benchmarks_that_there_are(fleet, capsys):
    (fleet.HOME / "bench").mkdir()
    for name in ("planning", "goals", "streaming_hub"):
        (fleet.HOME / "bench" / f"{name}.py").touch()

    assert fleet.bench(["nothing"]) == 2

    assert "one of: planning\n" in capsys.readouterr().err


def test_it_works_on_the_demos_data_unless_told_otherwise(fleet, monkeypatch):
    monkeypatch.delenv("FLEETUI_DATA", raising=False)

    environment = fleet.embedded()

    assert environment["FLEETUI_EMBEDDED"] == "1"
    assert environment["FLEETUI_DATA"] == str(fleet.HOME / ".demo")
