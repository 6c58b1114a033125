from __future__ import annotations

import pytest

from onboarding.domain.errors import Refusal, Refused
from onboarding.domain.names import (
    ClusterName,
    Environment,
    GitRef,
    HubName,
    LabelKey,
    LabelValue,
    SecretName,
    TenantName,
)

DNS_NAMES = [ClusterName, TenantName, Environment, HubName]


def refusal_of(kind: type[str], value: str) -> Refusal:
    with pytest.raises(Refused) as caught:
        kind(value)
    (refusal,) = caught.value.refusals
    assert refusal.message.endswith((".", ")."))
    return refusal


@pytest.mark.parametrize("kind", DNS_NAMES)
@pytest.mark.parametrize("value", ["a", "a1", "spoke-dev-workload1", "9", "a--b", "x" * 63])
def test_it_takes_names_that_kubernetes_takes(kind: type[str], value: str) -> None:
    name = kind(value)
    assert name == value
    assert isinstance(name, str)
    assert hash(name) == hash(value)
    assert f"{name}.yaml" == f"{value}.yaml"


@pytest.mark.parametrize("kind", DNS_NAMES)
@pytest.mark.parametrize(
    "value",
    [
        "..", "a..b", "../a", "a/b", "/a", "a\\b", "A", "spoke-Dev", "-a", "a-", ".a", "a.b", "a_b",
        "a b", " a", "a ", "a\n", "a\x00", "{{", "{{ .x }}", "a'", 'a"', "`a`", "$a", "a:b", "~", "*",
        "ä", "а", "a\u200b", "a\u202e", "１", "-", "--force", "a@b", "%2e",
    ],
)  # fmt: skip
def test_it_refuses_what_could_mean_something_else(kind: type[str], value: str) -> None:
    assert refusal_of(kind, value).code == "invalid_name"


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (ClusterName, "cluster"),
        (TenantName, "tenant"),
        (Environment, "environment"),
        (HubName, "hub"),
    ],
)
def test_it_says_at_the_field_what_to_do(kind: type[str], field: str) -> None:
    missing, long = refusal_of(kind, ""), refusal_of(kind, "x" * 64)
    assert (missing.field, missing.code) == (field, "required")
    assert (long.field, long.code) == (field, "too_long")
    assert "64 characters" in long.message
    assert refusal_of(kind, "A").field == field


@pytest.mark.parametrize("value", ["defaults", "fleet"])
def test_it_refuses_tenants_that_are_the_fleets_own(value: str) -> None:
    assert refusal_of(TenantName, value).code == "reserved"
    assert ClusterName(value) == value


def test_it_does_not_hide_the_methods_of_text() -> None:
    # Templates call them: {{ cluster|title }}.
    assert ClusterName("spoke").title() == "Spoke"


@pytest.mark.parametrize(
    "value",
    [
        "fleet/spoke-a",
        "a",
        "A_b+c=d.e@f-g",
        "x" * 512,
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:fleet/spoke-AbCdEf",
        "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:x",
    ],
)
def test_it_takes_names_of_secrets(value: str) -> None:
    assert SecretName(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "a b", "a..b", "../a", "x" * 513, "a:b", "arn:aws:s3:::bucket", "{{x}}", "a\n", "ä", "a'b", "a*",
        "arn:aws:secretsmanager:eu-west-1:12:secret:x",
    ],
)  # fmt: skip
def test_it_refuses_what_is_no_name_of_a_secret(value: str) -> None:
    refusal = refusal_of(SecretName, value)
    assert (refusal.field, refusal.code) == ("secret_name", "invalid_name")


def test_it_asks_for_the_secret() -> None:
    assert refusal_of(SecretName, "").code == "required"


@pytest.mark.parametrize(
    "value", ["a", "enable_x", "addonsRelease", "a.b/c", "example.com/x_y.z-1", "A", "x" * 63]
)
def test_it_takes_label_keys(value: str) -> None:
    assert LabelKey(value) == value


@pytest.mark.parametrize(
    "value",
    ["", "/a", "a/", "a/b/c", "-a", "a-", "_a", "A.com/x", "a b", "{{", "a\n", "x" * 64, "ä"],
)
def test_it_refuses_what_is_no_label_key(value: str) -> None:
    assert refusal_of(LabelKey, value).field == "labels"


@pytest.mark.parametrize("value", ["", "true", "release1", "v1.2_3-4", "A", "x" * 63])
def test_it_takes_label_values(value: str) -> None:
    assert LabelValue(value) == value


@pytest.mark.parametrize(
    "value", ["-a", "a-", ".a", "a b", "a/b", "{{ .config }}", "a\n", "x" * 64, '"', "ä", "a:b"]
)
def test_it_refuses_what_is_no_label_value(value: str) -> None:
    assert refusal_of(LabelValue, value).code == "invalid_name"


@pytest.mark.parametrize("value", ["main", "release/1.2", "feature_x", "a-b", "v1+2", "x" * 200])
def test_it_takes_branches(value: str) -> None:
    assert GitRef(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "", "-f", "--upload-pack=x", "a..b", "a//b", "/a", "a/", "a.", "a.lock", "a/b.lock/c", ".a",
        "a/.b", "refs/heads/main", "a b", "a\n", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "@{u}",
        "a@{1}", "@", "x" * 201, "ä",
    ],
)  # fmt: skip
def test_it_refuses_what_git_or_an_option_parser_could_misread(value: str) -> None:
    refusal = refusal_of(GitRef, value)
    assert refusal.field == "branch"
    assert "branch" in refusal.message
