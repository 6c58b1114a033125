"""Fleets and hubs as the administration shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.forms import BaseForm, BooleanField
from django.urls import reverse

from onboarding.domain.reviews import ForgeKind
from onboarding.models import Fleet, Hub
from onboarding.services import configuration
from onboarding.services.layouts import layout_of
from onboarding.views.pages import (
    AdminFormPage,
    AdminListPage,
    AdminRow,
    CheckResult,
    ConnectionTest,
    Fact,
    FormField,
    FormSection,
    Link,
)

_FLEET_SECTIONS = (
    (
        "repository",
        "Repository",
        "Git",
        ("name", "repository_url", "branch", "layout", "layout_text"),
    ),
    (
        "credentials",
        "Credentials",
        "By reference only",
        ("username", "credential_file", "known_hosts_file", "ca_file"),
    ),
    (
        "delivery",
        "Delivery",
        "Direct, or by pull request",
        ("delivery_mode", "forge", "forge_url", "forge_token_file", "webhook_secret_file"),
    ),
    (
        "signing",
        "Signed commits",
        "By an SSH or GPG key",
        ("signing", "signing_key_file", "committer_email"),
    ),
    ("limits", "Limits", "What the host allows", ("pushes_per_minute",)),
)
_HUB_SECTIONS = (
    ("hub", "Hub", "Its name and fleet", ("fleet", "name", "namespace")),
    (
        "kubernetes",
        "Kubernetes API",
        "Read-only",
        ("access", "api_url", "api_token_file", "api_ca_file", "eks_cluster"),
    ),
    (
        "argocd",
        "Argo CD",
        "Read-only token",
        ("argocd_url", "argocd_token_file", "argocd_ca_file", "link_url"),
    ),
    (
        "aws",
        "AWS",
        "Secrets Manager",
        ("aws_region", "aws_role_arn", "aws_external_id", "aws_endpoint_url"),
    ),
)


def connection_test(results: Sequence[configuration.CheckResult], at: datetime) -> ConnectionTest:
    """The answers of a connection test, as a page shows them."""
    return ConnectionTest(
        results=tuple(
            CheckResult(
                name=result.subject,
                state="Works" if result.works else "Failed",
                sentence=result.sentence,
            )
            for result in results
        ),
        at=at,
    )


def fleets_page(*, tested: str = "", test: ConnectionTest | None = None) -> AdminListPage:
    """All fleets; the one named `tested` carries its test's answers."""
    return AdminListPage(
        title="Fleets",
        lede="One fleet is one Git repository on one branch.",
        noun="fleet",
        rows=tuple(
            _fleet_row(fleet, test if fleet.name == tested else None)
            for fleet in Fleet.objects.all()
        ),
        add_url=reverse("fleet-add"),
        add_label="Add a fleet",
        adopt_url=reverse("fleet-adopt"),
        icon="git-branch",
        empty_text="Add the Git repository in which your fleet's members live.",
    )


def hubs_page(*, tested: str = "", test: ConnectionTest | None = None) -> AdminListPage:
    """All hubs; the one named `tested` carries its test's answers."""
    hubs = Hub.objects.select_related("fleet", "watch")
    return AdminListPage(
        title="Hubs",
        lede="A hub is a cluster whose Argo CD acts a fleet out. We only read from it, and ask it to look at Git.",
        noun="hub",
        rows=tuple(_hub_row(hub, test if hub.name == tested else None) for hub in hubs),
        add_url=reverse("hub-add") if Fleet.objects.exists() else "",
        add_label="Add a hub",
        icon="server",
        empty_text="Add the hub cluster whose Argo CD follows the fleet's repository.",
    )


def fleet_form_page(form: BaseForm, fleet: Fleet | None) -> AdminFormPage:
    """The form of one fleet."""
    return AdminFormPage(
        title=f"Fleet {fleet.name}" if fleet else "Add a fleet",
        lede="Credentials are named, never entered: the files have to be on the machines of the workers.",
        action=reverse("fleet-edit", args=[fleet.name]) if fleet else reverse("fleet-add"),
        form=form,
        sections=form_sections(form, _FLEET_SECTIONS),
        crumbs=(Link("Fleets", reverse("fleet-list")),),
        cancel_url=reverse("fleet-list"),
    )


def adopt_form_page(form: BaseForm) -> AdminFormPage:
    """The form that asks for a repository to be looked at."""
    return AdminFormPage(
        title="Adopt a repository",
        lede="An existing fleet repository is read and shown. Nothing is written to it, and nothing "
        "is adopted before you say so.",
        action=reverse("fleet-adopt"),
        form=form,
        sections=form_sections(form, _FLEET_SECTIONS[:2]),
        crumbs=(Link("Fleets", reverse("fleet-list")),),
        submit_label="Look at it",
        cancel_url=reverse("fleet-list"),
    )


def hub_form_page(form: BaseForm, hub: Hub | None) -> AdminFormPage:
    """The form of one hub."""
    return AdminFormPage(
        title=f"Hub {hub.name}" if hub else "Add a hub",
        lede="Tokens and certificates are named by their files, never entered.",
        action=reverse("hub-edit", args=[hub.name]) if hub else reverse("hub-add"),
        form=form,
        sections=form_sections(form, _HUB_SECTIONS),
        crumbs=(Link("Hubs", reverse("hub-list")),),
        cancel_url=reverse("hub-list"),
    )


def form_sections(
    form: BaseForm, plan: Sequence[tuple[str, str, str, tuple[str, ...]]]
) -> tuple[FormSection, ...]:
    """The fields of a form by section: key, title, hint, names; fields that it does not have are left out.

    A yes or no is a switch; what need not be filled in says so.
    """
    return tuple(
        FormSection(
            id=key,
            title=title,
            hint=hint,
            fields=tuple(_form_field(form, name) for name in names if name in form.fields),
            status="wrong" if any(name in form.errors for name in names) else "",
        )
        for key, title, hint, names in plan
    )


def _form_field(form: BaseForm, name: str) -> FormField:
    is_switch = isinstance(form.fields[name], BooleanField)
    is_optional = not is_switch and not form.fields[name].required
    return FormField(bound=form[name], is_switch=is_switch, is_optional=is_optional)


def _fleet_row(fleet: Fleet, test: ConnectionTest | None) -> AdminRow:
    facts = (
        Fact("Repository", fleet.repository_url),
        Fact("Branch", fleet.branch),
        Fact("Delivery", _delivery_of(fleet)),
        Fact("Layout", layout_of(fleet).title),
        Fact("Indexed commit", fleet.indexed_commit[:10] or "never"),
        Fact("Credential", fleet.credential_file or "none"),
    )
    return AdminRow(
        name=fleet.name,
        facts=facts,
        state="Failed" if fleet.index_problem else "Works" if fleet.indexed_at else "Unknown",
        reason=fleet.index_problem,
        edit_url=reverse("fleet-edit", args=[fleet.name]),
        test_url=reverse("fleet-test", args=[fleet.name]),
        key=fleet.name,
        test=test,
    )


def _delivery_of(fleet: Fleet) -> str:
    """How changes reach the branch, and where the forge may call."""
    if fleet.delivery_mode == Fleet.DeliveryMode.DIRECT:
        return "Direct"
    call = (
        f"; calls to {reverse('forge-called', args=[fleet.name])}"
        if fleet.webhook_secret_file
        else ""
    )
    return f"Pull requests on {ForgeKind(fleet.forge).word}{call}"


def _hub_row(hub: Hub, test: ConnectionTest | None) -> AdminRow:
    watch = getattr(hub, "watch", None)
    facts = (
        Fact("Fleet", hub.fleet.name),
        Fact("Kubernetes API", hub.api_url or hub.get_access_display()),
        Fact("Argo CD", hub.argocd_url or "not entered"),
        Fact("Namespace", hub.namespace),
        Fact("AWS region", hub.aws_region or "not entered"),
    )
    problem = watch.problem if watch else ""
    return AdminRow(
        name=hub.name,
        facts=facts,
        state="Failed" if problem else "Works" if watch and watch.seen_at else "Unknown",
        reason=problem,
        edit_url=reverse("hub-edit", args=[hub.name]),
        test_url=reverse("hub-test", args=[hub.name]),
        key=hub.name,
        test=test,
    )
