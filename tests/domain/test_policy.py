"""Approval policies as tables: what matches, what several rules come to, whether approvals are enough."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from onboarding.domain import freezes
from onboarding.domain.errors import Refused
from onboarding.domain.policy import (
    Demand,
    Destroys,
    Given,
    Rule,
    Subject,
    demand_on,
    in_force,
    judge,
    strictest,
    words,
)

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
PROD = Subject("fleet-a", "edit", "team-a", "prod", destructive=False)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("rule", "subject", "matches"),
    [
        (Rule("all"), PROD, True),
        (Rule("env", environments=("prod*",)), PROD, True),
        (Rule("env", environments=("dev", "stag*")), PROD, False),
        (Rule("env", environments=("PROD",)), PROD, False),
        (Rule("tenant", tenants=("team-?",)), PROD, True),
        (Rule("tenant", tenants=("team-b",)), PROD, False),
        (Rule("fleet", fleets=("fleet-b",)), PROD, False),
        (Rule("kind", kinds=("offboard",)), PROD, False),
        (Rule("kind", kinds=("edit", "layer")), PROD, True),
        (Rule("destroys", destroys=Destroys.YES), PROD, False),
        (Rule("destroys", destroys=Destroys.NO), PROD, True),
        (Rule("both", environments=("prod",), tenants=("team-b",)), PROD, False),
        # The layer that everybody shares reaches prod, whatever else it reaches.
        (Rule("env", environments=("prod",)), Subject("fleet-a", "layer", "", "", False), True),
    ],
)
def test_it_says_which_rule_a_change_falls_under(
    rule: Rule, subject: Subject, matches: bool
) -> None:
    assert rule.matches(subject) is matches


def test_it_demands_one_approval_where_no_rule_matches() -> None:
    assert demand_on(PROD, [Rule("dev", environments=("dev",), approvers=3)]) == Demand()
    assert words(Demand()) == "Needs 1 approval."


def test_it_demands_the_strictest_of_all_that_match() -> None:
    freeze = freezes.parse("Fri 16:00 - Mon 08:00 UTC")
    found = demand_on(
        PROD,
        [
            Rule("a", approvers=2, groups=("sre",), expires_after=48 * HOUR),
            Rule("b", approvers=1, groups=("dba", "sre"), expires_after=24 * HOUR),
            Rule("c", approvers=1, freezes=(freeze,)),
            Rule("d", environments=("dev",), approvers=9),
        ],
    )
    assert found == Demand(2, ("dba", "sre"), 24 * HOUR, (freeze,), ("a", "b", "c"))
    assert words(found) == (
        "Needs 2 approvals, one from dba and one from sre; an approval counts for 1 day."
    )


def test_a_looser_rule_takes_nothing_back_that_was_asked() -> None:
    asked = Demand.from_data(Demand(2, ("sre",), 24 * HOUR, rules=("old",)).to_data())
    assert in_force(asked, Demand()) == Demand(2, ("sre",), 24 * HOUR, rules=("old",))


def test_a_freeze_holds_only_as_long_as_its_rule() -> None:
    freeze = freezes.parse("Mon 00:00 - Sun 23:00 UTC")
    assert in_force(Demand(freezes=(freeze,)), Demand()).freezes == ()


def test_stricter_never_comes_out_looser() -> None:
    one, other = Demand(3, ("a",), 2 * HOUR), Demand(1, ("b",), 5 * HOUR)
    assert strictest([one, other]) == strictest([other, one]) == Demand(3, ("a", "b"), 2 * HOUR)


ANNA = Given("anna", NOW - 5 * HOUR, frozenset({"sre"}))
BERT = Given("bert", NOW - HOUR)
GONE = Given("gina", NOW, frozenset({"sre"}), void="they have no right to approve now")


@pytest.mark.parametrize(
    ("demand", "given", "counted", "lacks", "only"),
    [
        (Demand(), [], (), "It needs 1 approval.", ()),
        (Demand(), [BERT], ("bert",), "", ()),
        (Demand(2), [BERT], ("bert",), "It needs 1 more approval.", ()),
        (Demand(2), [ANNA, BERT], ("anna", "bert"), "", ()),
        # One person twice is one person.
        (Demand(2), [BERT, BERT], ("bert", "bert"), "It needs 1 more approval.", ()),
        (Demand(2, ("sre",)), [], (), "It needs 2 approvals, one from sre.", ()),
        (Demand(2, ("sre",)), [BERT], ("bert",), "It needs 1 more approval, from sre.", ("sre",)),
        (Demand(2, ("sre",)), [ANNA], ("anna",), "It needs 1 more approval.", ()),
        (Demand(1, ("sre",)), [], (), "It needs 1 approval, from sre.", ("sre",)),
        (Demand(1, ("sre",)), [BERT], ("bert",), "It needs 1 more approval, from sre.", ("sre",)),
        (Demand(1, ("sre",)), [GONE], (), "It needs 1 approval, from sre.", ("sre",)),
        (Demand(1, (), 5 * HOUR), [ANNA], (), "It needs 1 approval.", ()),
        (Demand(1, (), 6 * HOUR), [ANNA], ("anna",), "", ()),
    ],
)
def test_it_counts_what_counts(
    demand: Demand,
    given: list[Given],
    counted: tuple[str, ...],
    lacks: str,
    only: tuple[str, ...],
) -> None:
    found = judge(demand, given, NOW)
    assert (found.counted, found.lacks, found.only_groups) == (counted, lacks, only)
    assert found.is_met is (lacks == "")


def test_it_says_why_an_approval_does_not_count() -> None:
    found = judge(Demand(1, (), 5 * HOUR), [ANNA, GONE], NOW)
    assert found.void == (
        ("anna", "it is older than 5 hours"),
        ("gina", "they have no right to approve now"),
    )


def test_it_keeps_rules_and_demands_as_data() -> None:
    rule = Rule(
        "prod",
        ("fleet-*",),
        ("team-a",),
        ("prod",),
        ("edit",),
        Destroys.YES,
        2,
        ("sre",),
        36 * HOUR,
        (freezes.parse("2026-12-20 00:00 - 2027-01-04 08:00 Europe/Berlin"),),
    )
    assert Rule.from_data("prod", rule.to_data()) == rule
    assert Demand.from_data({}) == Demand()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


WEEKEND = "Fri 16:00 - Mon 08:00 Europe/Berlin"


@pytest.mark.parametrize(
    ("windows", "now", "until"),
    [
        ([WEEKEND], "2026-03-06 14:59", None),
        ([WEEKEND], "2026-03-06 15:00", "2026-03-09 07:00"),
        ([WEEKEND], "2026-03-09 06:59", "2026-03-09 07:00"),
        ([WEEKEND], "2026-03-09 07:00", None),
        # The clocks go forward on 29 March: the window ends at 08:00 there, an hour earlier here.
        ([WEEKEND], "2026-03-28 12:00", "2026-03-30 06:00"),
        (["Mon 22:00 - Mon 06:00 UTC"], "2026-03-11 12:00", "2026-03-16 06:00"),
        (["Mon 22:00 - Mon 06:00 UTC"], "2026-03-16 07:00", None),
        (["Wed 09:00 - Wed 17:00 UTC"], "2026-03-04 12:00", "2026-03-04 17:00"),
        # One window right after the other is one.
        ([WEEKEND, "Mon 08:00 - Tue 08:00 Europe/Berlin"], "2026-03-07 12:00", "2026-03-10 07:00"),
        (["2026-03-01 00:00 - 2026-03-05 00:00 UTC"], "2026-03-04 12:00", "2026-03-05 00:00"),
        (["2026-03-01 00:00 - 2026-03-04 12:00 UTC"], "2026-03-04 12:00", None),
        ([], "2026-03-04 12:00", None),
    ],
)
def test_it_says_until_when_nothing_is_written(
    windows: list[str], now: str, until: str | None
) -> None:
    found = freezes.frozen_until([freezes.parse(one) for one in windows], at(now))
    assert found == (at(until) if until else None)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("weekends", "is no window"),
        ("Fry 16:00 - Mon 08:00 UTC", "Fry is no day"),
        ("Fri 25:00 - Mon 08:00 UTC", "is no window"),
        ("Fri 16:00 - Fri 16:00 UTC", "nothing would ever be written"),
        ("Fri 16:00 - Mon 08:00 Mars/Base", "is no time zone"),
        ("Fri 16:00 - Mon 08:00 ../../etc/passwd", "is no time zone"),
        ("2026-02-30 00:00 - 2026-03-04 12:00 UTC", "no calendar has"),
        ("2026-03-05 00:00 - 2026-03-04 12:00 UTC", "ends before it begins"),
    ],
)
def test_it_refuses_a_line_that_is_no_window(line: str, says: str) -> None:
    with pytest.raises(Refused, match=says):
        freezes.parse(line)


@pytest.mark.parametrize("line", [WEEKEND, "2026-12-20 00:00 - 2027-01-04 08:00 UTC"])
def test_it_writes_a_window_as_it_reads_it(line: str) -> None:
    assert str(freezes.parse(f"  {line.replace(' - ', '-')} ")) == line
