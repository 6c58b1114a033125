"""Delivery by pull request: a branch for each change, a request to merge it, and what became of that.

Each step is decided by what Git and the forge say now, never by what a worker remembers: a branch
is looked up before it is pushed, a pull request by its branch before it is opened. So a worker may
die anywhere, and there is never a second one. Of a webhook nothing is believed but that it is time
to look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.db.models import QuerySet

from onboarding.domain import reviews
from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.lifecycle import DeliveryState
from onboarding.domain.reviews import PullRequestFacts, PullRequestState
from onboarding.models import Change, Delivery, PullRequest
from onboarding.ports import Forge
from onboarding.services import stopping
from onboarding.services.delivery import lapsing, merging, settling
from onboarding.services.delivery.gate import Held
from onboarding.services.delivery.replanning import check_alone, expected_changes
from onboarding.services.delivery.writing import Writer

LOOK_EVERY = timedelta(seconds=30)
"""How often an open pull request is looked at where no webhook calls."""


class Reviewer(Writer):
    """One holder of a fleet's lease that asks for merges instead of pushing to the branch."""

    _followed = settling.UNSETTLED

    def __init__(
        self, *, forge: Callable[[], Forge], page_of: Callable[[int], str], **work: Any
    ) -> None:
        super().__init__(**work)
        self._new_forge = forge
        self._page_of = page_of
        self._known_forge: Forge | None = None

    @property
    def _forge(self) -> Forge:
        """The forge; made when it is first needed, as its token may be missing."""
        if self._known_forge is None:
            self._known_forge = self._new_forge()
        return self._known_forge

    def _has_work(self) -> bool:
        return super()._has_work() or self._due_reviews().exists()

    def _settle_earlier(self, tip: str) -> None:
        """Go on with every branch that was begun, then look at each pull request that is due."""
        self._one_by_one(self._rows(DeliveryState.PUSHING), lambda row: self._go_on(row, ""))
        self._one_by_one(self._due_reviews(), lambda row: self._follow(row, tip))

    def _write(self, batch: Sequence[Delivery], tip: str) -> bool:
        """Build each change on the branch's tip, and ask for it to be merged."""
        # What was tried before may have been a push to the branch itself.
        said = "The remote was asked."
        absent = self._unsettled(batch, tip, said)
        for checked in self._check(absent, tip):
            if self._must_slow_down([checked.delivery]):
                continue
            for prepared in self._build([checked], tip, tip):
                self._renew_if_long_ago()
                if self._record([prepared], tip):
                    self._one_by_one([prepared.delivery], partial(self._send, prepared.commit))
        return True

    def _wait_for_remote(self, error: FleetError) -> None:
        reviews_due = list(self._due_reviews())
        super()._wait_for_remote(error)
        self._wait(reviews_due, error)

    def _one_by_one(
        self, rows: QuerySet[Delivery] | Sequence[Delivery], step: Callable[[Delivery], None]
    ) -> None:
        """Do a step for each; what the forge refuses for one holds up no other, its absence all."""
        for row in rows:
            self._renew_if_long_ago()
            try:
                step(row)
            except Refused as refused:
                self._wait([row], refused)

    def _wait(self, rows: Sequence[Delivery], error: FleetError) -> None:
        """Let deliveries wait, with the reason on their pages, and try them later."""
        now = self._clock.now()
        settling.wait_for_remote(rows, reason=str(error), now=now, lease=self._lease)
        self.waiting += [row.change_id for row in rows]

    def _send(self, commit: str, row: Delivery) -> None:
        """Push a recorded commit to a branch of its own, unless there is one already."""
        said = ""
        if stopping.why_stopped(self._fleet.pk):
            self._stop_before_push([row], row.base_commit)
            return
        if not self._repository.fetch_branch(_branch(row)):
            try:
                said = self._repository.push_branch(
                    _branch(row),
                    commit,
                    timeout=self._push_seconds,
                    not_after=self._renewed + self._push_seconds,
                )
            except FleetError as error:
                said = str(error)
        self._go_on(row, said)

    def _go_on(self, row: Delivery, said: str) -> None:
        """From a branch that may be there to a pull request, by what Git and the forge have."""
        head = self._repository.fetch_branch(_branch(row))
        facts = self._forge.find(_branch(row))
        if not head and facts is None:
            said = said or "The worker ended before the branch was there."
            self._close([row], "absent", said)
            self._try_later(row, said)
            return
        commit = self._own_commit(row, head) if head else row.commit
        if not commit:
            self._foreign(row, head)
            return
        row.commit = commit
        facts = facts or self._ask_for_merge(row)
        self._renew()
        if merging.begin_review(
            delivery=row,
            facts=facts,
            branch=_branch(row),
            now=self._clock.now(),
            lease=self._lease,
            said=said,
        ):
            self._follow(row, self._repository.fetch())

    def _ask_for_merge(self, row: Delivery) -> PullRequestFacts:
        change = row.change
        page = self._page_of(change.pk)
        text = merging.request_text(change, digest=row.digest, page=page)
        return self._forge.open(_branch(row), title=merging.request_title(change), text=text)

    def _own_commit(self, row: Delivery, head: str) -> str:
        """Our commit on the branch: it carries the change's trailers and does what was approved."""
        expected = dict(expected_changes(row.change))
        uid = str(row.change.uid)
        for facts in self._repository.find("Change-Id", uid, since=row.base_commit, tip=head):
            if facts.trailers.get("Plan-Digest") != row.digest:
                continue
            if dict(self._repository.changes(facts.sha)) == expected:
                return facts.sha
        return ""

    def _foreign(self, row: Delivery, head: str) -> None:
        self._close([row], "foreign", f"The branch is at {head[:10]}, which is not ours.")
        self._fail(
            row,
            f"Branch {_branch(row)} exists already and does not hold what was approved. Remove it "
            f"on the forge, then try again.",
        )

    def _follow(self, row: Delivery, tip: str) -> None:
        """Look at a pull request, and do what its state asks for."""
        request = PullRequest.objects.get(delivery=row)
        facts = self._forge.look(request.number)
        if facts.state is PullRequestState.MERGED:
            self._merged(row, facts)
        elif facts.state is PullRequestState.CLOSED:
            if merging.reject(delivery=row, facts=facts, now=self._clock.now(), lease=self._lease):
                self.rejected.append(row.change_id)
        else:
            self._still_open(row, request, facts, tip)

    def _still_open(
        self, row: Delivery, request: PullRequest, facts: PullRequestFacts, tip: str
    ) -> None:
        """Say on the forge, and on our page, whether it may be merged as it is."""
        head = self._repository.fetch_branch(request.branch) or facts.head_commit
        refused: Refused | None = None
        held = stopping.why_stopped(self._fleet.pk)
        try:
            now = self._clock.now()
            check_alone(delivery=row, base=tip, repository=self._repository, now=now)
        except Refused as error:
            refused = error
        except Held as error:
            held = held or str(error)
        verdict = merging.verdict(
            delivery=row, head=head, target=self._fleet.branch, refused=refused, held=held
        )
        if request.posted != verdict.mark:
            self._forge.set_status(
                head, passed=verdict.passed, text=verdict.text, url=self._page_of(row.change_id)
            )
        if refused is not None:
            self._take_back(row, request, refused)
            return
        merging.keep(
            delivery=row,
            facts=facts,
            verdict=verdict,
            checks=self._forge.checks(head),
            target=self._fleet.branch,
            due_at=self._clock.now() + LOOK_EVERY,
            now=self._clock.now(),
            lease=self._lease,
        )

    def _take_back(self, row: Delivery, request: PullRequest, refused: Refused) -> None:
        """Close a request whose approval no longer holds; whoever merged it first was faster."""
        self._forge.close(
            request.number,
            why=f"Closed by Fleet UI: the approval of this change lapsed. {refused}",
        )
        facts = self._forge.look(request.number)
        if facts.state is PullRequestState.MERGED:
            self._merged(row, facts)
            return
        now = self._clock.now()
        merging.note_closed(delivery=row, facts=facts, now=now)
        if lapsing.lapse(delivery=row, reason=str(refused), now=now, lease=self._lease):
            self.lapsed.append(row.change_id)

    def _merged(self, row: Delivery, facts: PullRequestFacts) -> None:
        """Compare what was merged with the plan, file by file."""
        tip, now = self._repository.fetch(), self._clock.now()
        self._renew()
        merged = facts.merge_commit
        if not merged or not self._repository.is_ancestor(merged, tip):
            raise Refused(
                f"The forge says that pull request {facts.number} was merged, but branch "
                f"{self._fleet.branch} does not hold {merged[:10] or 'its commit'} yet."
            )
        found = merging.brought(row, merged, self._repository)
        differing = reviews.merged_otherwise(expected_changes(row.change), found)
        merging.note_merged(delivery=row, facts=facts, now=now)
        if differing:
            if merging.alarm(
                delivery=row, facts=facts, differing=differing, now=now, lease=self._lease
            ):
                self.merged_differently.append(row.change_id)
        elif settling.commit(row, merged, self._lease, now):
            self.committed.append(row.change_id)

    def _due_reviews(self) -> QuerySet[Delivery]:
        return self._rows(DeliveryState.IN_REVIEW).filter(settling.is_due(self._clock.now()))


def _branch(row: Delivery) -> str:
    change: Change = row.change
    return reviews.branch_of(str(change.uid), row.digest)
