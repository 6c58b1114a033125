"""The findings as a page: facets, search, pages, and where each finding leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Count as CountOf
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode

from onboarding.domain.lint import Severity
from onboarding.models import Cluster, Fleet, LintFinding, LintReport
from onboarding.services.layouts import layout_of
from onboarding.views import listing
from onboarding.views.pages import Count, Facet, Finding, Link, LintPage, Option

FACETS = (("severity", "Severity"), ("rule", "Rule"))
Findings = QuerySet[LintFinding]


def lint_page(request: HttpRequest, fleet: Fleet | None) -> LintPage:
    """The page for the filter and page number that the URL names."""
    if fleet is None:
        return LintPage(findings=(), problem="No fleet is configured yet.")
    report = LintReport.objects.filter(fleet=fleet).first()
    if report is None:
        return LintPage(findings=(), problem=fleet.index_problem, behind=True)
    everything = report.findings.all()
    rows, chosen = filtered(request, everything)
    pages, found = listing.paginate(request, rows)
    query = request.GET.urlencode()
    return LintPage(
        findings=_findings(fleet, found),
        listing=listing.listing(
            request,
            columns=(),
            pages=pages,
            facets=_facets(_searched(everything, listing.query_of(request)), chosen),
            sort="",
        ),
        counts=_counts(everything),
        exports=tuple(
            Link(label, f"{reverse(name)}?{query}" if query else reverse(name))
            for label, name in (("SARIF", "lint-sarif"), ("JSON", "lint-json"))
        ),
        commit=report.commit,
        files_read=report.files_read,
        left_out=report.left_out,
        as_of=report.made_at,
        behind=report.commit != fleet.indexed_commit,
        problem=fleet.index_problem,
    )


def filtered(request: HttpRequest, rows: Findings) -> tuple[Findings, Mapping[str, list[str]]]:
    """The findings that the URL's search and facets leave, and what was chosen."""
    chosen = listing.choices(request, [name for name, _ in FACETS])
    found = _searched(rows, listing.query_of(request))
    for column, values in chosen.items():
        if values:
            found = found.filter(**{f"{column}__in": values})
    return found, chosen


def _searched(rows: Findings, query: str) -> Findings:
    for word in query.split()[:5]:
        rows = rows.filter(Q(path__icontains=word) | Q(title__icontains=word) | Q(rule=word))
    return rows


def _facets(rows: Findings, chosen: Mapping[str, Sequence[str]]) -> tuple[Facet, ...]:
    def words(name: str, value: str) -> str:
        return value.capitalize() if name == "severity" else value

    counts = listing.counted(rows, chosen, FACETS)
    found = listing.facets(counts, chosen, FACETS, words=words, states=("severity",))
    return tuple(_worst_first(facet) if facet.name == "severity" else facet for facet in found)


def _worst_first(facet: Facet) -> Facet:
    def rank(option: Option) -> int:
        return Severity(option.value).rank

    options = tuple(sorted(facet.options, key=rank))
    return Facet(facet.name, facet.label, options, shows_state=True)


def _counts(rows: Findings) -> tuple[Count, ...]:
    counted: dict[str, int] = dict(rows.order_by().values_list("severity").annotate(CountOf("pk")))
    return tuple(
        Count(
            severity.value.capitalize(),
            counted[severity.value],
            f"{reverse('lint')}?{urlencode({'severity': severity.value})}",
        )
        for severity in Severity
        if severity.value in counted
    )


def _findings(fleet: Fleet, rows: Sequence[LintFinding]) -> tuple[Finding, ...]:
    members: dict[str, Any] = {
        path: (hub, name)
        for path, hub, name in Cluster.objects.filter(
            fleet=fleet, path__in=[row.path for row in rows]
        ).values_list("path", "hub_name", "name")
    }
    layout = layout_of(fleet)
    found = []
    for row in rows:
        scope = layout.parse_layer_path(row.path)
        if row.path in members:
            url = _url("cluster-detail", *members[row.path])
        else:
            url = _url("tenant-detail", scope.tenant) if scope and scope.tenant else ""
        found.append(
            Finding(
                severity=row.severity.capitalize(),
                title=row.title,
                path=row.path,
                line=row.line,
                column=row.column,
                rule=row.rule,
                rule_url=f"{reverse('lint')}?{urlencode({'rule': row.rule})}",
                why=row.why,
                advice=row.advice,
                url=url,
            )
        )
    return tuple(found)


def _url(name: str, *parts: str) -> str:
    """The page, or "" where a part is no name that an address can carry."""
    try:
        return reverse(name, args=parts)
    except NoReverseMatch:
        return ""
