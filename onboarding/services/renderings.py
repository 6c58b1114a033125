"""What a repository's own charts make, by a real engine: its ApplicationSets where no hub was seen, its labels.

Nothing of it becomes part of a digest: it hangs on the engine that a process has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import Any

from onboarding.domain import leaving_plan
from onboarding.domain.components import catalogue_from_wrapper
from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.labels import CHART_PATH
from onboarding.domain.layout import FleetLayout
from onboarding.domain.layout_detection.sets import SetText, application_sets
from onboarding.domain.live_sets import KnownSets, name_template, plain_name
from onboarding.domain.overlay import OverlaidSnapshot
from onboarding.domain.plans import ApplicationForecast, Plan, PlanWarning, blob_id
from onboarding.domain.releases import parse_releases
from onboarding.domain.rendering import fill, needs_argo_cd
from onboarding.domain.repository_sets import RepositorySets, is_known
from onboarding.domain.snapshot import Snapshot, SnapshotFile
from onboarding.ports import ChartRenderer
from onboarding.services import rounds
from onboarding.services.initializing import TEMPLATE

_LITERAL = re.compile(r"""\{\{-?\s*("(?:[^"\\]|\\.)*"|`[^`]*`)\s*-?\}\}""")
_MOST_SHOWN = 20


class NoRenderer:
    """Where nothing evaluates charts: each is refused, which the plan then says."""

    def engine(self) -> str:
        """Nothing renders."""
        return ""

    def render(
        self, chart: Mapping[str, bytes], values: Sequence[bytes]
    ) -> tuple[Mapping[str, Any], ...]:
        """Refused, always."""
        raise Refused("No Helm renders charts here.", code="no_renderer")


NO_RENDERER = NoRenderer()


class Renderings:
    """The repository's own charts at one commit, for one hub; each thing is rendered when it is asked."""

    def __init__(
        self, *, snapshot: Snapshot, layout: FleetLayout, hub_name: str, renderer: ChartRenderer
    ) -> None:
        self._snapshot, self._layout, self._hub = snapshot, layout, hub_name
        self._renderer = renderer
        self._labels: dict[tuple[str, tuple[str, ...]], Mapping[str, str] | None] = {}
        self._registration: tuple[str, tuple[str, ...]] = ("", ())
        self.warnings: list[PlanWarning] = []

    def known(self, live: tuple[Mapping[str, Any], ...], *, asked: bool = False) -> KnownSets:
        """The ApplicationSets to hold a plan against: the hub's, else those that can be rendered.

        `asked` tells that the hub was seen, though it may have none.
        """
        labels = self.labels if self.has_own_labels else None
        if live or asked or not self._has_own_wrapper:
            return KnownSets(live, asked=asked, labels=labels)
        try:
            found = tuple(self._rendered_sets())
        except FleetError as error:
            self._doubt("The ApplicationSets of this repository cannot be rendered here", error)
            found = ()
        return KnownSets(found, rendered_by=self._renderer.engine() if found else "", labels=labels)

    def labels(
        self, member_path: str, edited: Mapping[str, SnapshotFile]
    ) -> Mapping[str, str] | None:
        """The labels that the repository's own fleet-secret chart makes for a member; None where it does not.

        A label that the secret or the hub decides is not among them.
        """
        key = member_path, tuple(sorted(one.blob for one in edited.values()))
        if key not in self._labels:
            try:
                self._labels[key] = self._rendered_labels(member_path, edited)
            except FleetError as error:
                self._doubt(
                    f"{CHART_PATH} is this repository's own, and labels are foreseen as if it were "
                    "the shipped one",
                    error,
                )
                self._labels[key] = None
        return self._labels[key]

    def told(self, plan: Plan) -> tuple[PlanWarning, ...]:
        """What has to be said of a plan: what was not rendered, and labels that are rendered otherwise.

        Where the member file goes, no registration makes labels or reads values files any more.
        Raises `Refused` where it writes a values file that the repository's own registration does not read.
        """
        if not self.has_own_labels or leaving_plan.removes_member(plan, self._layout):
            return tuple(dict.fromkeys(self.warnings))
        hub, cluster = plan.of_cluster.placement.hub, plan.of_cluster.placement.cluster
        edited = {
            one.path: SnapshotFile(one.path, one.after_blob, one.after.encode())
            for one in plan.edits
            if one.after is not None
        }
        made = self.labels(self._layout.member_path(hub, cluster), edited)
        self._check_read(plan)
        return tuple(dict.fromkeys([*self.warnings, *self._differing(plan, made or {})]))

    def _check_read(self, plan: Plan) -> None:
        where, read = self._registration
        unread = [one.path for one in plan.edits if one.path.endswith("/values.yaml")]
        unread = [one for one in unread if read and one not in read]
        if unread:
            raise Refused(
                f"Nobody reads {unread[0]}: the registration in {where} reads other values files. "
                "Correct the fleet's layout, or what is read there.",
                code="unread_file",
            )

    def named(self, plan: Plan, known: KnownSets) -> Plan:
        """The plan with the names of Applications that only sets tell of as their templates make them."""
        told = [one for one in (*plan.impact.appear, *plan.impact.disappear) if one.from_hub]
        templates = {}
        for one in told:
            data = known.by_name[one.component].data
            if name_template(data) and not plain_name(data, one.destination):
                templates[one.component] = name_template(data)
        names = self._filled(templates, _parameters_of(plan)) if templates else {}

        def named(found: Sequence[ApplicationForecast]) -> tuple[ApplicationForecast, ...]:
            return tuple(
                replace(one, name=names.get(one.component) or one.name) if one.from_hub else one
                for one in found
            )

        impact = replace(
            plan.impact, appear=named(plan.impact.appear), disappear=named(plan.impact.disappear)
        )
        return replace(plan, impact=impact)

    def _filled(
        self, templates: Mapping[str, str], parameters: Mapping[str, Any]
    ) -> Mapping[str, str]:
        """What templates (by the sets that they are of) come to, all in one go where none fails."""
        try:
            filled = fill(self._renderer.render, list(templates.values()), parameters)
            return dict(zip(templates, filled, strict=True))
        except FleetError as error:
            if len(templates) > 1:
                parts = [self._filled({name: one}, parameters) for name, one in templates.items()]
                return {name: text for part in parts for name, text in part.items()}
            self.warnings += [_unnamed(name, one, error) for name, one in templates.items()]
            return {}

    def _differing(self, plan: Plan, made: Mapping[str, str]) -> Iterator[PlanWarning]:
        foreseen = plan.labels_after
        wanted = foreseen.as_dict()
        differing = [
            f"{key} ({wanted.get(key, 'not set')} foreseen, {made.get(key, 'not set')} rendered)"
            for key in sorted(made.keys() | wanted.keys())
            if made and made.get(key) != wanted.get(key)
        ]
        if differing:
            shown = ", ".join(differing[:_MOST_SHOWN])
            yield PlanWarning(
                f"{self._renderer.engine()} renders other labels from {CHART_PATH}, which is this "
                f"repository's own: {shown}. Only the hub can confirm.",
                "labels_rendered",
                CHART_PATH,
            )

    def _doubt(self, what: str, error: FleetError) -> None:
        said = f"{what}: {error} Only the hub can confirm what follows."
        self.warnings.append(PlanWarning(said, "not_rendered"))

    # The ApplicationSets

    @cached_property
    def _has_own_wrapper(self) -> bool:
        """Whether a wrapper chart in the repository has no catalogue, so that only rendering tells."""
        return rounds.once(("wrapper", self._snapshot, self._layout), self._find_own_wrapper)

    def _find_own_wrapper(self) -> bool:
        layout = self._layout
        try:
            releases = parse_releases(self._snapshot.read(layout.releases), path=layout.releases)
            return any(
                not entry.chart
                and self._snapshot.read(f"{(entry.path or layout.wrapper).strip('/')}/Chart.yaml")
                is not None
                and catalogue_from_wrapper(releases, {group: entry.type}, self._snapshot, layout)
                is None
                for group, entries in releases.groups.items()
                for entry in entries
            )
        except Refused:
            return False

    def _rendered_sets(self) -> Iterator[Mapping[str, Any]]:
        sets, found = self._sets({}), 0
        for text in self._texts:
            if self._is_registration(text):
                continue
            for application in sets.applications(text):
                if not self._makes_sets(sets.chart_of(application)):
                    continue
                for one in sets.objects(application):
                    if one.get("kind") == "ApplicationSet":
                        found += 1
                        yield one
        if not found:
            raise Refused("No ApplicationSet of it renders any for the hub.", code="not_evaluated")

    def _makes_sets(self, folder: str) -> bool:
        paths = self._snapshot.paths(folder) if folder else ()
        files = (self._snapshot.read(one) for one in paths if "/templates/" in one)
        return any(b"ApplicationSet" in file.content for file in files if file)

    # The labels

    @cached_property
    def has_own_labels(self) -> bool:
        """Whether the fleet-secret chart is another than the shipped one."""
        return rounds.once(("secret chart", self._snapshot), self._find_own_labels)

    def _find_own_labels(self) -> bool:
        shipped = _shipped_blobs()
        length = len(CHART_PATH) + 1
        found = {
            path[length:]: file.blob
            for path in self._snapshot.paths(CHART_PATH)
            if (file := self._snapshot.read(path)) and path.endswith((".yaml", ".yml", ".tpl"))
        }
        found.pop("Chart.yaml", None)
        return bool(found) and found != shipped

    def _rendered_labels(
        self, member_path: str, edited: Mapping[str, SnapshotFile]
    ) -> Mapping[str, str]:
        sets = self._sets(edited)
        for text in self._texts:
            if not self._is_registration(text):
                continue
            for application in sets.applications(text, only=member_path):
                for one in sets.objects(application):
                    if (labels := _secret_labels(one)) is not None:
                        self._registration = text.path, sets.value_files(application)
                        return labels
        raise Refused("No ApplicationSet of it makes a cluster secret.", code="not_evaluated")

    # Both

    def _sets(self, edited: Mapping[str, SnapshotFile]) -> RepositorySets:
        snapshot = OverlaidSnapshot(self._snapshot, edited)
        paths = tuple(dict.fromkeys([*self._paths, *edited]))
        return RepositorySets(snapshot, paths, self._hub, self._renderer.render)

    def _is_registration(self, text: SetText) -> bool:
        return f"{self._layout.members_root()}/" in text.text

    @cached_property
    def _paths(self) -> tuple[str, ...]:
        return tuple(self._snapshot.paths())

    @cached_property
    def _texts(self) -> tuple[SetText, ...]:
        """The repository's ApplicationSets; not looked for where a thousand clusters have their files."""
        members = f"{self._layout.members_root()}/"
        looked_at = (
            path
            for path in self._paths
            if not path.startswith(members) and not path.endswith("/values.yaml")
        )
        return tuple(application_sets(self._snapshot, looked_at))


def _parameters_of(plan: Plan) -> Mapping[str, Any]:
    """A plan's cluster as the cluster generator gives it, with the labels that it will have."""
    cluster, labels = str(plan.of_cluster.placement.cluster), plan.labels_after
    annotations = {one.key: one.value for one in labels.annotations}
    metadata = {"labels": labels.as_dict(), "annotations": annotations}
    return {"name": cluster, "nameNormalized": cluster, "metadata": metadata}


def _unnamed(name: str, template: str, error: FleetError) -> PlanWarning:
    word = needs_argo_cd(template)
    why = (
        f"calls {word}, which only Argo CD has"
        if word
        else f"cannot be evaluated here ({str(error).rstrip('.')})"
    )
    return PlanWarning(
        f"The name of the Application that {name} makes {why}: only the hub can confirm it.",
        "name_not_evaluated",
    )


@cache
def _shipped_blobs() -> Mapping[str, str]:
    folder = TEMPLATE / CHART_PATH
    return {
        path.relative_to(folder).as_posix(): blob_id(path.read_bytes())
        for path in folder.rglob("*")
        if path.suffix in (".yaml", ".tpl") and path.name != "Chart.yaml"
    }


def _secret_labels(one: Mapping[str, Any]) -> Mapping[str, str] | None:
    """The labels of the cluster secret that an object makes or is; None where it does neither."""
    if one.get("kind") == "ExternalSecret":
        template = _at(one, "spec", "target", "template")
        found = _at(template, "metadata", "labels")
    elif one.get("kind") == "Secret":
        found = _at(one, "metadata", "labels")
    else:
        return None
    if not isinstance(found, Mapping) or "argocd.argoproj.io/secret-type" not in found:
        return None
    plain = {str(key): _plain(str(value)) for key, value in found.items()}
    return {key: value for key, value in plain.items() if value is not None and is_known(value)}


def _plain(text: str) -> str | None:
    """What the External Secrets Operator makes of a value that is a literal; None where the secret decides."""
    if "{{" not in text:
        return text
    found = _LITERAL.fullmatch(text.strip())
    if found is None:
        return None
    return str(json.loads(found[1])) if found[1].startswith('"') else found[1][1:-1]


def _at(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data
