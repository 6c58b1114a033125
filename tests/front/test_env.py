"""The environment is read loudly: by name, and never with the value."""

from __future__ import annotations

import stat

import pytest
from django.core.exceptions import ImproperlyConfigured

from fleetui.env import Environment, kept_secret

SECRET = "canary-4711"


@pytest.fixture
def env():
    return Environment()


def test_it_reads_a_value_from_a_file_without_the_newline_at_its_end(env, monkeypatch, tmp_path):
    (tmp_path / "key").write_text(f"{SECRET}\n")
    monkeypatch.setenv("FRONT_KEY_FILE", str(tmp_path / "key"))

    assert env.str("FRONT_KEY") == SECRET


def test_it_takes_a_secret_that_begins_with_a_dollar_sign_as_it_is(env, monkeypatch):
    monkeypatch.setenv("FRONT_KEY", "$HOME$1")

    assert env.str("FRONT_KEY") == "$HOME$1"


@pytest.mark.parametrize("value", ["", "  "])
def test_it_takes_an_empty_value_as_not_given(env, monkeypatch, value):
    monkeypatch.setenv("FRONT_KEY", value)

    assert env.int("FRONT_KEY", default=7) == 7
    with pytest.raises(ImproperlyConfigured, match="Set FRONT_KEY, or FRONT_KEY_FILE"):
        env.str("FRONT_KEY")


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda env: env.int("FRONT_KEY"), SECRET),
        (lambda env: env.bool("FRONT_KEY"), "ture"),
        (lambda env: env.db_url("FRONT_KEY"), SECRET),
        (lambda env: env.db_url("FRONT_KEY"), f"postgres://u:{SECRET}@host:port/name"),
    ],
)
def test_it_refuses_a_bad_value_by_name_and_never_shows_it(env, monkeypatch, read, value):
    monkeypatch.setenv("FRONT_KEY", value)

    with pytest.raises(ImproperlyConfigured) as refused:
        read(env)

    assert "FRONT_KEY" in str(refused.value)
    assert value not in str(refused.value)
    assert SECRET not in str(refused.value)


def test_it_names_the_file_variable_of_a_file_that_is_not_there(env, monkeypatch, tmp_path):
    monkeypatch.setenv("FRONT_KEY_FILE", str(tmp_path / "missing"))

    with pytest.raises(ImproperlyConfigured, match=r"FRONT_KEY_FILE .* cannot be read"):
        env.str("FRONT_KEY")


def test_it_reads_a_database_address(env, monkeypatch):
    monkeypatch.setenv("FRONT_KEY", "postgres://fleetui:pass@db:5433/fleet")

    config = env.db_url("FRONT_KEY")

    assert config["ENGINE"] == "django.db.backends.postgresql"
    assert (config["HOST"], config["PORT"], config["NAME"]) == ("db", 5433, "fleet")


def test_it_keeps_one_secret_for_its_owner_only(tmp_path):
    path = tmp_path / "data" / "secret-key"

    first = kept_secret(path)

    assert kept_secret(path) == first
    assert len(first) >= 50
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["secret-key"]
