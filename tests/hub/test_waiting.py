"""Reasons to wait, each made for real: the page names it in plain words, with what to do, and recovers by itself."""

from __future__ import annotations

import time

from tests.hub.denying import denied
from tests.hub.product import House
from tests.hub.test_offboarding import joined
from tests.hub.test_trouble import asked_for, is_a_problem, says


def test_it_names_a_right_that_aws_denies(house: House) -> None:
    """In AWS's own words, which stand nowhere but in the Events of the External Secrets Operator."""
    spoke, change = asked_for(house, "spoke-denied", "probe-b")
    with denied(house.hub, f"fleet/{spoke.name}"):
        house.product.approve(change)
        house.page(
            spoke.name,
            says(
                "Failed",
                "AWS denies the hub's External Secrets Operator access to the credentials.",
                "is not authorized to perform: secretsmanager:GetSecretValue",
                "Allow its role to read this secret",
            ),
            90,
        )
        is_a_problem(house, spoke.name, "AWS denies the hub's External Secrets Operator")
    # Whoever grants it need not wait for the operator's next try.
    house.hub.kube.annotate("ExternalSecret", f"cluster-{spoke.name}", "force-sync", "1")
    house.healthy(spoke.name)


# --- Parts of Argo CD ---


def test_it_names_an_application_controller_that_does_not_run(
    house: House, measured: list[str]
) -> None:
    """Everything else of Argo CD answers, and what the controller last wrote reads Synced and Healthy."""
    settled = joined(house, "spoke-settled", "probe-c")
    spoke, change = asked_for(house, "spoke-uncompared", "probe-d")
    controller = house.hub.argocd.process("controller")
    house.hub.processes.stop(controller)
    try:
        started = time.monotonic()
        house.product.approve(change)
        advice = "Look at argocd-application-controller on the hub."
        house.page(
            settled.name,
            says("Stale", "Argo CD's application controller has not answered since", advice),
            240,
        )
        took = time.monotonic() - started
        measured.append(f"application controller away, until a healthy page says so: {took:.0f} s")
        page = house.page(
            spoke.name, lambda page: "The hub has no ExternalSecret for it yet." in page.text, 90
        )
        assert page.state == "Stale"
        assert "whether Argo CD's application controller runs" in page.text
    finally:
        house.hub.processes.resume(controller)
    house.healthy(spoke.name, 240)
    house.healthy(settled.name, 120)
