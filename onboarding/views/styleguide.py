"""The style guide: every component in every state, offered only while DEBUG is on."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from onboarding.views.pages import (
    Answer,
    AnswerOption,
    Count,
    Facet,
    Link,
    Option,
    Pagination,
    Step,
    Tab,
    TimelineStep,
)

WORDS = (
    "Healthy",
    "Out of sync",
    "Degraded",
    "Progressing",
    "Suspended",
    "Unknown",
    "Selects nothing",
    "Waiting for approval",
    "Failed",
    "Registering",
)
COUNTS = (Count("Healthy", 34), Count("Deploying", 3), Count("Out of sync", 4), Count("Stale", 2))
PATCH = """\
--- a/clusters/spoke-dev-workload1/fleet/fleet-secret/values.yaml
+++ b/clusters/spoke-dev-workload1/fleet/fleet-secret/values.yaml
@@ -1,5 +1,6 @@
 # What is not set here is inherited.
 externalSecret:
   labels:
-    addonsRelease: "default"
+    addonsRelease: "release1"
+    enable_metrics_server: "true"
     monitoringRelease: "default"
"""
ON_OFF = (AnswerOption("true", "On"), AnswerOption("false", "Off"))
CHANNELS = tuple(AnswerOption(f"release{n}", f"release{n} · 0.{n}.0") for n in range(1, 7))
ANSWERS = (
    Answer(
        "pin_addonsRelease", "addonsRelease", CHANNELS, "release1", "default", "tenant defaults"
    ),
    Answer("pin_enable_keda", "enable_keda", ON_OFF, "", "true", "environment dev", "keda 2.15.1"),
    Answer("pin_enable_karpenter", "enable_karpenter", ON_OFF, "false", errors=("Not on offer.",)),
)
FACETS = (
    Facet(
        name="state",
        label="State",
        options=(Option("Healthy", "healthy", 34), Option("Out of sync", "out_of_sync", 4, True)),
        shows_state=True,
    ),
)
RAIL = (
    Step("cluster", "Cluster", "name and hub", "done"),
    Step("placement", "Placement", "tenant, environment"),
    Step("credentials", "Credentials", "the secret", "wrong"),
    Step("review", "Review", "what will happen"),
)


class ExampleForm(forms.Form):
    """Two inputs, one of them refused."""

    cluster = forms.CharField(label="Cluster name", help_text="Lowercase, digits and hyphens.")
    tenant = forms.CharField(required=False, help_text="The team or product it belongs to.")

    def clean_cluster(self) -> str:
        """Refuse whatever is typed, to show how an error looks."""
        raise forms.ValidationError("Use lowercase letters, digits and hyphens, as in spoke-1.")


@require_GET
def styleguide(request: HttpRequest) -> HttpResponse:
    """Every component, with fixed samples."""
    if not settings.DEBUG:
        raise Http404
    form = ExampleForm({"cluster": "Spoke_1", "tenant": "tenant1"})
    form.is_valid()
    now = timezone.now()
    page = SimpleNamespace(
        crumbs=(Link("Development"),),
        tabs=(Tab("states", "States", "#"), Tab("broken", "Broken", "#", 1, "Failed")),
        words=WORDS,
        as_of=now - timedelta(seconds=4),
        counts=COUNTS,
        total=43,
        commit="9f3c2a1b7d4e5f60718293a4b5c6d7e8f9012345",
        steps=_steps(now),
        answers=ANSWERS,
        form=form,
        rail=RAIL,
        patch=PATCH,
        facets=FACETS,
        pages=Pagination(2, 5, 26, 50, 118, (1, 2, 3, None, 5)),
    )
    return render(request, "onboarding/styleguide.html", {"page": page})


def _steps(now: datetime) -> tuple[TimelineStep, ...]:
    return (
        TimelineStep("Approved", "done", at=now - timedelta(minutes=7), took=timedelta(minutes=18)),
        TimelineStep(
            "Credentials ready",
            "waiting",
            since=now - timedelta(minutes=6),
            usual=timedelta(seconds=9),
            reason="External Secrets may not read the secret: AccessDenied.",
            advice="Give its role secretsmanager:GetSecretValue. It tries again every minute.",
        ),
        TimelineStep("Registered in Argo CD", "active", since=now - timedelta(seconds=3)),
        TimelineStep("Synced", "failed", at=now - timedelta(minutes=2), reason="The sync failed."),
        TimelineStep("Healthy", "todo"),
    )
