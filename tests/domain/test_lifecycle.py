"""Who may do what to a change, and when: every pair of state and act, every kind of person."""

from __future__ import annotations

import itertools

import pytest

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import (
    Act,
    DecisionState,
    DeliveryState,
    Right,
    allowed_acts,
    decide,
    may_stop_delivery,
    who_acts_next,
)

EVERYTHING = frozenset(Right)
DRAFT, SUBMITTED, APPROVED, REJECTED, WITHDRAWN, LAPSED = DecisionState

# Every move that exists; the tests below try every pair against it.
MOVES = {
    (DRAFT, Act.EDIT): DRAFT,
    (DRAFT, Act.SUBMIT): SUBMITTED,
    (DRAFT, Act.WITHDRAW): WITHDRAWN,
    (SUBMITTED, Act.EDIT): SUBMITTED,
    (SUBMITTED, Act.APPROVE): APPROVED,
    (SUBMITTED, Act.REJECT): REJECTED,
    (SUBMITTED, Act.WITHDRAW): WITHDRAWN,
    (APPROVED, Act.WITHDRAW): WITHDRAWN,
    (APPROVED, Act.LAPSE): LAPSED,
    (APPROVED, Act.RECALL): SUBMITTED,
    (APPROVED, Act.CLOSE): DecisionState.REJECTED,
    (LAPSED, Act.SUBMIT): SUBMITTED,
    (LAPSED, Act.EDIT): SUBMITTED,
    (LAPSED, Act.REJECT): REJECTED,
    (LAPSED, Act.WITHDRAW): WITHDRAWN,
}


def person_for(act: Act) -> tuple[bool, frozenset[Right]]:
    """Somebody who may do this act wherever it exists."""
    if act in {Act.LAPSE, Act.RECALL, Act.CLOSE}:
        return False, frozenset()
    return act not in {Act.APPROVE, Act.REJECT}, EVERYTHING


@pytest.mark.parametrize(("state", "act"), list(itertools.product(DecisionState, Act)))
def test_it_allows_exactly_the_moves_of_the_table(state: DecisionState, act: Act) -> None:
    author, rights = person_for(act)
    if (state, act) in MOVES:
        found = decide(state, act, actor_is_author=author, actor_may=rights)
        assert found is MOVES[state, act]
        return
    with pytest.raises(Refused) as caught:
        decide(state, act, actor_is_author=author, actor_may=rights)
    assert caught.value.refusals[0].code == "wrong_state"
    assert "cannot be" in str(caught.value)


@pytest.mark.parametrize("state", DecisionState)
@pytest.mark.parametrize("act", [Act.APPROVE, Act.REJECT])
def test_it_never_lets_an_author_decide_whatever_the_rights(state: DecisionState, act: Act) -> None:
    with pytest.raises(Refused) as caught:
        decide(state, act, actor_is_author=True, actor_may=EVERYTHING)
    assert caught.value.refusals[0].code == "own_change"


@pytest.mark.parametrize(
    ("state", "act", "author", "rights", "code"),
    [
        (
            SUBMITTED,
            Act.APPROVE,
            False,
            {Right.VIEW, Right.REQUEST, Right.ADMINISTER},
            "not_allowed",
        ),
        (SUBMITTED, Act.REJECT, False, {Right.REQUEST}, "not_allowed"),
        (SUBMITTED, Act.APPROVE, True, {Right.REQUEST}, "not_allowed"),
        (DRAFT, Act.SUBMIT, True, {Right.APPROVE}, "not_allowed"),
        (DRAFT, Act.SUBMIT, False, {Right.REQUEST}, "not_allowed"),
        (DRAFT, Act.EDIT, False, {Right.VIEW, Right.APPROVE}, "not_allowed"),
        (SUBMITTED, Act.WITHDRAW, False, {Right.REQUEST, Right.APPROVE}, "not_allowed"),
        (SUBMITTED, Act.WITHDRAW, True, set(), "not_allowed"),
        (APPROVED, Act.LAPSE, False, {Right.ADMINISTER}, "not_allowed"),
        (APPROVED, Act.LAPSE, True, set(), "not_allowed"),
        (APPROVED, Act.RECALL, False, {Right.ADMINISTER}, "not_allowed"),
        (APPROVED, Act.CLOSE, False, {Right.APPROVE}, "not_allowed"),
        (APPROVED, Act.CLOSE, True, {Right.ADMINISTER}, "not_allowed"),
    ],
)
def test_it_refuses_people_without_the_right(
    state: DecisionState, act: Act, author: bool, rights: set[Right], code: str
) -> None:
    with pytest.raises(Refused) as caught:
        decide(state, act, actor_is_author=author, actor_may=frozenset(rights))
    assert [one.code for one in caught.value.refusals] == [code]


@pytest.mark.parametrize(
    ("state", "act", "author", "rights", "after"),
    [
        (SUBMITTED, Act.APPROVE, False, {Right.APPROVE}, APPROVED),
        (DRAFT, Act.SUBMIT, True, {Right.REQUEST}, SUBMITTED),
        (SUBMITTED, Act.EDIT, False, {Right.REQUEST}, SUBMITTED),
        (SUBMITTED, Act.WITHDRAW, False, {Right.ADMINISTER}, WITHDRAWN),
        (APPROVED, Act.LAPSE, False, set(), LAPSED),
        (APPROVED, Act.CLOSE, False, set(), DecisionState.REJECTED),
    ],
)
def test_it_needs_no_more_than_the_one_right(
    state: DecisionState, act: Act, author: bool, rights: set[Right], after: DecisionState
) -> None:
    assert decide(state, act, actor_is_author=author, actor_may=frozenset(rights)) is after


def test_it_approves_nothing_but_what_is_submitted() -> None:
    approvable = {state for (state, act) in MOVES if act is Act.APPROVE}
    assert approvable == {SUBMITTED}
    with pytest.raises(Refused, match="submit it again"):
        decide(LAPSED, Act.APPROVE, actor_is_author=False, actor_may=EVERYTHING)


def test_it_offers_the_buttons_that_work() -> None:
    assert allowed_acts(SUBMITTED, actor_is_author=False, actor_may=frozenset({Right.APPROVE})) == {
        Act.APPROVE,
        Act.REJECT,
    }
    assert allowed_acts(SUBMITTED, actor_is_author=True, actor_may=EVERYTHING) == {
        Act.EDIT,
        Act.WITHDRAW,
    }
    assert allowed_acts(WITHDRAWN, actor_is_author=True, actor_may=EVERYTHING) == frozenset()


def test_it_keeps_final_states_final() -> None:
    assert {state for (state, _) in MOVES} == set(DecisionState) - {REJECTED, WITHDRAWN}


@pytest.mark.parametrize("state", DecisionState)
def test_it_says_who_acts_next(state: DecisionState) -> None:
    assert who_acts_next(state).endswith(".")
    assert state.word[0].isupper()


QUEUED, PUSHING, COMMITTED, IN_REVIEW, MERGED_DIFFERENTLY, FAILED = DeliveryState


@pytest.mark.parametrize("unsettled", [True, False])
@pytest.mark.parametrize("state", DeliveryState)
def test_it_stops_no_delivery_that_may_be_in_git(state: DeliveryState, unsettled: bool) -> None:
    stoppable = state in {QUEUED, FAILED} and not unsettled
    assert may_stop_delivery(state, attempt_unsettled=unsettled) is stoppable
