"""Secrets Manager: six answers about a secret, and never its value."""

from __future__ import annotations

import logging
import socket
import time
from datetime import UTC, datetime

import boto3
import pytest
import time_machine
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from moto import mock_aws

from onboarding.adapters import aws_secrets
from onboarding.adapters.aws_secrets import AwsSecrets, SecretsAccess
from onboarding.domain.credentials import SecretPresence

REGION = "eu-central-1"
NAME = "hub-prod/spoke-dev-workload1"
CANARY = "canary-7f3b-never-seen"
ROLE = "arn:aws:iam::123456789012:role/fleet-ui"


@pytest.fixture(autouse=True)
def own_identity(monkeypatch):
    """No test may find the developer's AWS identity, nor a client of another test."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(aws_secrets, "_clients", {})


@pytest.fixture
def manager():
    with mock_aws():
        yield boto3.client("secretsmanager", region_name=REGION)


@pytest.fixture
def answering():
    """Make the adapter's own client answer with one error, or one response."""
    stubbers = []

    def answer(code: str) -> AwsSecrets:
        access = SecretsAccess(region=REGION)
        stubber = Stubber(aws_secrets._client(access))
        # The message is what AWS would say; none of it may reach the user.
        stubber.add_client_error(
            "describe_secret", service_error_code=code, service_message=f"said by AWS {CANARY}"
        )
        stubber.activate()
        stubbers.append(stubber)
        return AwsSecrets(access)

    yield answer
    for stubber in stubbers:
        stubber.assert_no_pending_responses()
        stubber.deactivate()


@time_machine.travel(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC), tick=False)
def test_it_finds_a_secret_with_its_tags_and_the_time_of_its_last_change(manager):
    manager.create_secret(
        Name=NAME,
        SecretString=CANARY,
        Tags=[{"Key": "fleet/cluster", "Value": "spoke-dev-workload1"}],
    )

    facts = AwsSecrets(SecretsAccess(region=REGION)).describe(NAME)

    assert facts.presence is SecretPresence.PRESENT
    assert facts.name == NAME
    assert facts.arn.startswith(f"arn:aws:secretsmanager:{REGION}:123456789012:secret:{NAME}")
    assert facts.tags == {"fleet/cluster": "spoke-dev-workload1"}
    assert facts.changed_at == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def test_it_tells_a_rotation_from_a_new_tag(manager):
    manager.create_secret(Name=NAME, SecretString=CANARY)
    secrets = AwsSecrets(SecretsAccess(region=REGION))
    first = secrets.describe(NAME)

    manager.tag_resource(SecretId=NAME, Tags=[{"Key": "team", "Value": "platform"}])
    tagged = secrets.describe(NAME)
    manager.put_secret_value(SecretId=NAME, SecretString=f"{CANARY}-2")
    rotated = secrets.describe(NAME)

    assert first.version
    assert tagged.version == first.version
    assert rotated.version not in ("", first.version)
    assert CANARY not in repr((first, tagged, rotated))


def test_it_says_that_a_secret_is_absent_and_where_it_looked(manager):
    facts = AwsSecrets(SecretsAccess(region=REGION)).describe(NAME)

    assert facts.presence is SecretPresence.ABSENT
    assert facts.arn == ""
    assert f"no secret {NAME} in {REGION}" in facts.detail


def test_it_does_not_find_a_secret_of_another_region(manager):
    manager.create_secret(Name=NAME, SecretString=CANARY)

    facts = AwsSecrets(SecretsAccess(region="eu-west-1")).describe(NAME)

    assert facts.presence is SecretPresence.ABSENT
    assert "eu-west-1" in facts.detail


def test_it_tells_a_secret_that_waits_for_its_deletion_from_an_absent_one(manager):
    manager.create_secret(Name=NAME, SecretString=CANARY)
    manager.delete_secret(SecretId=NAME, RecoveryWindowInDays=7)

    facts = AwsSecrets(SecretsAccess(region=REGION)).describe(NAME)

    assert facts.presence is SecretPresence.PENDING_DELETION
    assert "restore" in facts.detail


@pytest.mark.parametrize(
    ("code", "presence", "advice"),
    [
        ("AccessDeniedException", SecretPresence.DENIED, "secretsmanager:DescribeSecret"),
        ("ThrottlingException", SecretPresence.THROTTLED, "try again in a minute"),
        ("ExpiredTokenException", SecretPresence.UNREACHABLE, "expired"),
        ("UnrecognizedClientException", SecretPresence.UNREACHABLE, "switched on for the account"),
        ("InternalServiceError", SecretPresence.UNREACHABLE, "InternalServiceError"),
        ("ResourceNotFoundException", SecretPresence.ABSENT, "Create it"),
        ("InvalidParameterException", SecretPresence.ABSENT, "not a name"),
    ],
)
def test_it_reads_each_answer_of_aws_and_says_what_to_do(answering, code, presence, advice):
    facts = answering(code).describe(NAME)

    assert facts.presence is presence
    assert advice in facts.detail
    assert CANARY not in facts.detail, "AWS's own text is not passed on"


def test_it_is_unreachable_where_nothing_listens():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        port = listener.getsockname()[1]
        access = SecretsAccess(region=REGION, endpoint_url=f"http://127.0.0.1:{port}")

        facts = AwsSecrets(access).describe(NAME)

    assert facts.presence is SecretPresence.UNREACHABLE
    assert EndpointConnectionError.__name__ in facts.detail


def test_it_does_not_wait_long_for_one_that_never_answers(monkeypatch):
    """A half-open connection: it is taken, and then nothing comes."""
    short = aws_secrets.CONFIG.merge(Config(read_timeout=0.3, retries={"total_max_attempts": 1}))
    monkeypatch.setattr(aws_secrets, "CONFIG", short)
    assert 0 < aws_secrets.CONFIG.connect_timeout <= 5, "what nobody set may be forever"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        access = SecretsAccess(region=REGION, endpoint_url=f"http://127.0.0.1:{port}")
        started = time.monotonic()

        facts = AwsSecrets(access).describe(NAME)

    assert time.monotonic() - started < 5
    assert facts.presence is SecretPresence.UNREACHABLE
    assert "ReadTimeout" in facts.detail


@pytest.mark.parametrize("region", ["", "no such region"])
def test_it_is_unreachable_without_a_usable_region(region):
    facts = AwsSecrets(SecretsAccess(region=region)).describe(NAME)

    assert facts.presence is SecretPresence.UNREACHABLE
    assert "AWS region" in facts.detail


def test_it_says_so_when_it_has_no_aws_identity(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    facts = AwsSecrets(SecretsAccess(region=REGION)).describe(NAME)

    assert facts.presence is SecretPresence.UNREACHABLE
    assert "no AWS credentials" in facts.detail


def test_it_asks_with_the_hubs_role_and_external_id(manager, monkeypatch):
    manager.create_secret(Name=NAME, SecretString=CANARY)
    asked = []
    assume = aws_secrets._assume
    monkeypatch.setattr(
        aws_secrets, "_assume", lambda access: asked.append(access) or assume(access)
    )
    access = SecretsAccess(region=REGION, role_arn=ROLE, external_id="fleet-7")

    facts = AwsSecrets(access).describe(NAME)

    assert facts.presence is SecretPresence.PRESENT
    assert asked == [access]
    key = aws_secrets._client(access)._request_signer._credentials.access_key
    assert key != "testing", "the request was signed as the role, not as the process"


def test_it_says_when_the_hubs_role_may_not_be_assumed(monkeypatch):
    class RefusingSts:
        def assume_role(self, **arguments):
            assert arguments == {
                "RoleArn": ROLE, "RoleSessionName": "fleet-ui", "ExternalId": "fleet-7",
            }  # fmt: skip
            raise aws_secrets.ClientError({"Error": {"Code": "AccessDenied"}}, "AssumeRole")

    client = boto3.Session.client
    monkeypatch.setattr(
        boto3.Session,
        "client",
        lambda self, service, **options: (
            RefusingSts() if service == "sts" else client(self, service, **options)
        ),
    )
    access = SecretsAccess(region=REGION, role_arn=ROLE, external_id="fleet-7")

    facts = AwsSecrets(access).describe(NAME)

    assert facts.presence is SecretPresence.DENIED
    assert "sts:AssumeRole" in facts.detail


def test_it_never_asks_for_a_value_nor_shows_one(manager, caplog, monkeypatch):
    manager.create_secret(Name=NAME, SecretString=CANARY)
    caplog.set_level(logging.DEBUG)
    operations = []
    credentials = AwsSecrets(SecretsAccess(region=REGION))
    aws_secrets._client(SecretsAccess(region=REGION)).meta.events.register(
        "before-call", lambda model, **_: operations.append(model.name)
    )

    present = credentials.describe(NAME)
    absent = credentials.describe("another")

    assert operations == ["DescribeSecret", "DescribeSecret"]
    assert CANARY not in f"{present!r} {absent!r} {caplog.text}"


def test_its_connection_test_says_that_secrets_may_be_described(manager):
    said = AwsSecrets(SecretsAccess(region=REGION)).check()

    assert said == f"Secrets Manager in {REGION} answers, and secrets may be described."


def test_its_connection_test_says_what_is_not_allowed(answering):
    said = answering("AccessDeniedException").check()

    assert "secretsmanager:DescribeSecret" in said
