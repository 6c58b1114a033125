"""The Terraform example makes the secret that the fleet's chart and the product look for."""

from __future__ import annotations

import re

from onboarding.domain.servers import SERVER_TAG
from tests.repositories import TEMPLATE

TEXT = (TEMPLATE / "terraform/spoke-credentials/main.tf").read_text(encoding="utf-8")


def block(opening: str) -> dict[str, str]:
    """The arguments of one block, by name; those of blocks inside it are not its own."""
    begin = TEXT.index(opening) + len(opening)
    indent = re.search(r"^( *)\S", TEXT[begin:].lstrip("\n"))
    assert indent is not None
    body = TEXT[begin : TEXT.index(f"\n{indent[1][2:]}}}", begin)]
    found = re.findall(rf'^{indent[1]}"?([\w/]+)"? += (.+)$', body, re.MULTILINE)
    return dict(found)


def test_it_writes_the_two_keys_that_the_chart_reads() -> None:
    made = block("secret_string = jsonencode({")
    chart = (TEMPLATE / "charts/fleet-secret/templates/externalSecret.yaml").read_text("utf-8")
    read = set(re.findall(r"property: (\w+)", chart))
    assert set(made) == read == {"server", "config"}


def test_it_signs_in_as_argo_cds_cluster_secrets_say() -> None:
    assert set(block("    config = {")) == {"awsAuthConfig", "tlsClientConfig"}
    assert block("      awsAuthConfig = {") == {
        "clusterName": "var.cluster_name",
        "roleARN": "var.role_arn",
    }
    assert block("      tlsClientConfig = {")["insecure"] == "false"


def test_it_tags_the_secret_with_cluster_and_server_alone() -> None:
    server = "data.aws_eks_cluster.spoke.endpoint"
    assert block("  tags = {") == {"fleet/cluster": "var.cluster_name", SERVER_TAG: server}
    assert block("secret_string = jsonencode({")["server"] == server
