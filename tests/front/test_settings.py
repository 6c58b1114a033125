"""The settings: what an installation must say, and what it then gets."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import connection

REAL = {
    "SECRET_KEY": "a-long-random-text-that-only-this-test-knows-0123456789-abcdefgh",
    "ALLOWED_HOSTS": "fleet.example.com",
    "DATABASE_URL": "postgres://fleetui@127.0.0.1/fleetui",
    "REDIS_URL": "redis://127.0.0.1/0",
}


def manage(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run manage.py with nothing in its environment but what is given."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_it_passes_djangos_deployment_checks():
    checked = manage("check", "--deploy", "--fail-level", "WARNING", environment=REAL)

    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("name", sorted(REAL))
def test_it_does_not_start_a_real_installation_without(name):
    without = {key: value for key, value in REAL.items() if key != name}

    checked = manage("check", environment=without)

    assert checked.returncode != 0
    assert f"Set {name}, or {name}_FILE" in checked.stderr


@pytest.mark.parametrize("address", ["fleet.example.com", "https://host/path", "ftp://host"])
def test_it_does_not_start_with_a_public_address_that_is_none(address):
    checked = manage("check", environment={**REAL, "PUBLIC_URL": address})

    assert checked.returncode != 0
    assert "PUBLIC_URL must be an origin such as https://fleet.example.com" in checked.stderr


def test_it_needs_nothing_but_one_word_when_embedded(tmp_path):
    data = tmp_path / "data"

    checked = manage("check", environment={"FLEETUI_EMBEDDED": "1", "FLEETUI_DATA": str(data)})

    assert checked.returncode == 0, checked.stderr
    assert [entry.name for entry in data.iterdir()] == ["secret-key"]


def test_it_lets_a_page_load_only_our_own_scripts_and_styles(client, db):
    policy = client.get("/login/").headers["Content-Security-Policy"]

    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["script-src"] == "'self'"
    assert directives["style-src"] == "'self'"
    assert directives["default-src"] == directives["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy


def test_it_shows_no_page_without_signing_in(client, db):
    response = client.get("/")

    assert response.status_code == 302
    assert response.url == "/login/?next=/"


def test_it_lets_sqlite_readers_work_beside_the_writer(transactional_db):
    assert connection.settings_dict["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in connection.settings_dict["OPTIONS"]["init_command"]


def test_it_rings_the_bells_that_the_tasks_answer():
    from fleetui.celery import app

    app.loader.import_default_modules()
    asked = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    assert asked >= {"onboarding.sweep", "onboarding.refresh_fleets"}
    assert asked <= set(app.tasks)


def test_it_outlives_a_broker_that_takes_nothing_back(monkeypatch):
    """What a worker of ours does with messages that it has not begun, as it closes a lost channel."""
    from fleetui.celery import app

    channel = app.connection("redis://127.0.0.1:1").transport.Channel
    lost = channel.__new__(channel)
    monkeypatch.setattr(channel.QoS, "restore_unacked", lambda self: pytest.fail("it is gone"))
    qos = channel.QoS(lost)
    qos._delivered["tag"] = "a message"
    assert lost.do_restore
    qos.restore_unacked_once()


OIDC = {
    "OIDC_ISSUER": "https://id.example.com/realms/fleet",
    "OIDC_CLIENT_ID": "fleet-ui",
}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"OIDC_ISSUER": "http://id.example.com"}, "OIDC_ISSUER must be the provider's https"),
        ({"OIDC_ISSUER": "http://127.0.0.1:5556"}, "OIDC_ISSUER must be the provider's https"),
        (
            {"OIDC_ISSUER": "http://id.example.com", "OIDC_ALLOW_HTTP_LOOPBACK": "1"},
            "OIDC_ISSUER must be the provider's https",
        ),
        ({"OIDC_ISSUER": "https://id.example.com?x=1"}, "OIDC_ISSUER must be the provider's https"),
        ({"OIDC_CLIENT_ID": ""}, "Set OIDC_CLIENT_ID"),
        ({"OIDC_ALGORITHMS": "RS256,HS256"}, "OIDC_ALGORITHMS names HS256"),
        ({"OIDC_ALGORITHMS": "none"}, "OIDC_ALGORITHMS names none"),
        ({"OIDC_SCOPES": "profile"}, "OIDC_SCOPES must contain openid"),
        ({"OIDC_GROUP_MAP": "admins"}, "OIDC_GROUP_MAP is a list of their-group=Our group"),
        ({"OIDC_RENEW_MINUTES": "0"}, "OIDC_RENEW_MINUTES must be 1 to 1440"),
        ({"TRUSTED_PROXIES": "10.0.0.1/8"}, "TRUSTED_PROXIES must be networks"),
        ({"OIDC_ISSUER": "", "LOCAL_ACCOUNTS": "0"}, "LOCAL_ACCOUNTS=0 needs OIDC_ISSUER"),
    ],
)
def test_it_does_not_start_with_a_way_to_sign_in_that_is_none(given, said):
    checked = manage("check", environment={**REAL, **OIDC, **given})

    assert checked.returncode != 0
    assert said in checked.stderr


def test_it_reads_which_provider_people_sign_in_with(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("what-the-provider-knows\n")
    environment = {
        **REAL,
        **OIDC,
        "OIDC_CLIENT_SECRET_FILE": str(secret),
        "OIDC_GROUP_MAP": "admins=Administrators, team a=Requesters,team a=Approvers",
        "LOCAL_ACCOUNTS": "0",
        "TRUSTED_PROXIES": "10.0.0.0/8,192.0.2.7",
    }
    asked = (
        "from django.conf import settings as s; o = s.OPENID;"
        "print(o.client_secret, o.name, dict(o.mapped), s.AUTHENTICATION_BACKENDS, repr(o))"
    )

    said = manage("shell", "-v", "0", "-c", asked, environment=environment)

    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("what-the-provider-knows id.example.com {")
    assert "'team a': ('Requesters', 'Approvers')" in said.stdout
    assert "['onboarding.views.signed_in.ProviderBackend']" in said.stdout
    assert said.stdout.count("what-the-provider-knows") == 1  # its description hides it
