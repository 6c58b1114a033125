from __future__ import annotations

from onboarding.domain.errors import FleetError, Refusal, Refused, Transient


def test_it_gathers_refusals_with_their_fields() -> None:
    refused = Refused(
        Refusal("One.", field="cluster", code="too_long"), "Two.", field="tenant", code="x"
    )
    assert refused.refusals == (
        Refusal("One.", field="cluster", code="too_long"),
        Refusal("Two.", field="tenant", code="x"),
    )
    assert str(refused) == "One. Two."


def test_it_is_the_same_from_a_list() -> None:
    refusals = [Refusal("One."), Refusal("Two.", field="hub")]
    assert Refused.of(iter(refusals)).refusals == tuple(refusals)


def test_it_keeps_the_two_families_apart() -> None:
    assert issubclass(Refused, FleetError)
    assert issubclass(Transient, FleetError)
    assert not issubclass(Transient, Refused)
    assert Transient("The remote is away.", retry_after=3).retry_after == 3
    assert Transient().retry_after is None
