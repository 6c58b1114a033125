"""What a reviewer of a plan should know although it stops nothing."""

from __future__ import annotations

from onboarding.domain.handover import is_on
from onboarding.domain.impact import Forecaster
from onboarding.domain.intents import Intent, LeaveFleet
from onboarding.domain.labels import ClusterLabels
from onboarding.domain.leaving import is_marked
from onboarding.domain.live_sets import KnownSets
from onboarding.domain.member import FleetMember
from onboarding.domain.plans import PlanWarning
from onboarding.domain.releases import RELEASE_LABELS, Releases
from onboarding.domain.selectors import label_keys


def warnings_of(
    intent: Intent,
    wanted: FleetMember,
    *,
    member_path: str,
    leftover: str,
    releases: Releases,
    after: ClusterLabels,
    forecaster: Forecaster,
    known: KnownSets,
) -> list[PlanWarning]:
    """What a reviewer should know of a plan although it stops nothing.

    `wanted` is the member as it shall be, at `member_path`; `leftover` the labels file that is there
    before its cluster joins ("" for none), `after` the labels that the cluster will carry.
    """
    warnings = [PlanWarning(problem, "chart_refuses") for problem in after.problems]
    warnings += [PlanWarning(note, "releases_note") for note in releases.notes]
    if leftover:
        warnings.append(
            PlanWarning(
                f"{leftover} exists already, and what it sets will apply to this cluster.",
                "leftover_labels",
                leftover,
            )
        )
    if is_on(wanted) and not isinstance(intent, LeaveFleet):
        warnings.append(
            PlanWarning(
                "While Handover is true, the Applications of add-ons and resources do not sync by "
                "themselves, and what they deployed stays when they go. Take it away when the "
                "other Argo CD has them.",
                "handover",
                member_path,
            )
        )
    labels = after.as_dict()
    # A cluster that leaves has no channels, on purpose.
    channels = {} if is_marked(wanted) else RELEASE_LABELS
    for group, label in channels.items():
        warnings += _channel_warnings(group, label, labels.get(label), releases)
    flags = forecaster.flags() | {key for one in known.sets for key in label_keys(one)}
    if not forecaster.unread or known.sets:
        said = "No component of the chosen releases is enabled by {}."
        if forecaster.unread:
            said = f"No ApplicationSet of the {known.whose} selects by {{}}, and no component is enabled by it."
        warnings += [
            PlanWarning(said.format(key), "unknown_flag")
            for key, value in sorted(intent.pins.items())
            if key.startswith("enable_") and value is not None and key not in flags
        ]
    return warnings


def _channel_warnings(
    group: str, label: str, value: str | None, releases: Releases
) -> list[PlanWarning]:
    known = releases.types(group)
    if not known or value in known:
        return []
    if value is None:
        said = f"{label} is not set at any layer, so no {group} are deployed to this cluster."
        return [PlanWarning(said, "no_channel")]
    said = (
        f"{label} is {value!r:.80}, which {releases.path} does not know: the {group} stay as they "
        f"are and report an error. It knows: {', '.join(known)}."
    )
    return [PlanWarning(said, "unknown_channel", releases.path)]
