"""Every page's address. One verb per URL; names are `<noun>-<verb>`."""

from __future__ import annotations

from django.urls import path

from onboarding.api import mount as api
from onboarding.views import (
    administration,
    adoption,
    applications,
    audit,
    bulks,
    changes,
    clusters,
    drift,
    fleet_plans,
    forge_calls,
    hub_moves,
    layers,
    lint,
    live,
    metrics,
    notices,
    offboarding,
    overview,
    pausing,
    registration,
    releases,
    roles,
    rollouts,
    saved_filters,
    search,
    secret_check,
    service_tokens,
    system,
    tenants,
    values,
)

cluster_urls = [
    path("clusters/", clusters.cluster_list, name="cluster-list"),
    path("clusters/export.csv", clusters.cluster_csv, name="cluster-csv"),
    path("clusters/export.json", clusters.cluster_json, name="cluster-json"),
    path("clusters/register/", registration.cluster_register, name="cluster-register"),
    path("clusters/register/preview/", registration.register_preview, name="register-preview"),
    path("clusters/register/draft/", registration.register_draft, name="register-draft"),
    path("clusters/register/secret/", secret_check.secret_check, name="secret-check"),
    path("clusters/compare/", values.cluster_compare, name="cluster-compare"),
    path("clusters/<slug:hub>/<slug:name>/", clusters.cluster_detail, name="cluster-detail"),
    path("clusters/<slug:hub>/<slug:name>/edit/", registration.cluster_edit, name="cluster-edit"),
    path(
        "clusters/<slug:hub>/<slug:name>/offboard/",
        offboarding.cluster_offboard,
        name="cluster-offboard",
    ),
    path(
        "clusters/<slug:hub>/<slug:name>/offboard/pause/",
        offboarding.offboarding_pause,
        name="offboarding-pause",
    ),
    path(
        "clusters/<slug:hub>/<slug:name>/offboard/resume/",
        offboarding.offboarding_resume,
        name="offboarding-resume",
    ),
    path(
        "clusters/<slug:hub>/<slug:name>/offboard/stop/",
        offboarding.offboarding_stop,
        name="offboarding-stop",
    ),
    path(
        "clusters/<slug:hub>/<slug:name>/offboard/give-up/",
        offboarding.offboarding_give_up,
        name="offboarding-give-up",
    ),
    path("clusters/<slug:hub>/<slug:name>/move/", hub_moves.cluster_move, name="cluster-move"),
    path("clusters/<slug:hub>/<slug:name>/pause/", pausing.cluster_pause, name="cluster-pause"),
    path("clusters/<slug:hub>/<slug:name>/pause/end/", pausing.pause_end, name="pause-end"),
    path("clusters/<slug:hub>/<slug:name>/drift/adopt/", drift.drift_adopt, name="drift-adopt"),
    path(
        "clusters/<slug:hub>/<slug:name>/drift/reassert/",
        drift.drift_reassert,
        name="drift-reassert",
    ),
]

application_urls = [
    path("applications/", applications.application_list, name="application-list"),
    path("applications/export.csv", applications.application_csv, name="application-csv"),
    path("applications/export.json", applications.application_json, name="application-json"),
    path("filters/save/", saved_filters.filter_save, name="filter-save"),
    path("filters/<int:pk>/remove/", saved_filters.filter_remove, name="filter-remove"),
]

change_urls = [
    path("changes/", changes.change_list, name="change-list"),
    path("changes/<int:pk>/", changes.change_detail, name="change-detail"),
    path("changes/<int:pk>/edit/", registration.change_edit, name="change-edit"),
    path("changes/<int:pk>/approve/", changes.change_approve, name="change-approve"),
    path("changes/<int:pk>/reject/", changes.change_reject, name="change-reject"),
    path("changes/<int:pk>/withdraw/", changes.change_withdraw, name="change-withdraw"),
    path("changes/<int:pk>/resubmit/", changes.change_resubmit, name="change-resubmit"),
    path("changes/<int:pk>/retry/", changes.change_retry, name="change-retry"),
    path("changes/<int:pk>/comment/", changes.change_comment, name="change-comment"),
    path("changes/<int:pk>/evidence.json", audit.change_evidence, name="change-evidence"),
    path("changes/<int:pk>/discard/", registration.draft_discard, name="draft-discard"),
]

rollout_urls = [
    path("rollouts/", rollouts.rollout_list, name="rollout-list"),
    path("rollouts/new/", rollouts.rollout_new, name="rollout-new"),
    path("rollouts/<int:pk>/", rollouts.rollout_detail, name="rollout-detail"),
    path("rollouts/<int:pk>/approve/", rollouts.rollout_approve, name="rollout-approve"),
    path("rollouts/<int:pk>/reject/", rollouts.rollout_reject, name="rollout-reject"),
    path("rollouts/<int:pk>/pause/", rollouts.rollout_pause, name="rollout-pause"),
    path("rollouts/<int:pk>/continue/", rollouts.rollout_continue, name="rollout-continue"),
    path("rollouts/<int:pk>/skip/", rollouts.rollout_skip, name="rollout-skip"),
    path("rollouts/<int:pk>/revert/", rollouts.rollout_revert, name="rollout-revert"),
    path("rollouts/<int:pk>/stop/", rollouts.rollout_stop, name="rollout-stop"),
]

bulk_urls = [
    path("bulk/", bulks.bulk_list, name="bulk-list"),
    path("bulk/register/", bulks.bulk_register, name="bulk-register"),
    path("bulk/template.csv", bulks.bulk_template, name="bulk-template"),
    path("bulk/edit/", bulks.bulk_edit, name="bulk-edit"),
    path("bulk/<int:pk>/", bulks.bulk_detail, name="bulk-detail"),
    path("bulk/<int:pk>/refused.csv", bulks.bulk_refused, name="bulk-refused"),
    path("bulk/<int:pk>/correct/", bulks.bulk_correct, name="bulk-correct"),
    path("bulk/<int:pk>/approve/", bulks.bulk_approve, name="bulk-approve"),
    path("bulk/<int:pk>/reject/", bulks.bulk_reject, name="bulk-reject"),
    path("bulk/<int:pk>/withdraw/", bulks.bulk_withdraw, name="bulk-withdraw"),
]

administration_urls = [
    path("admin/fleets/", administration.fleet_list, name="fleet-list"),
    path("admin/fleets/add/", administration.fleet_form, name="fleet-add"),
    path("admin/fleets/adopt/", adoption.fleet_adopt, name="fleet-adopt"),
    path("admin/fleets/adopt/<int:pk>/", adoption.adoption_detail, name="adoption-detail"),
    path(
        "admin/fleets/adopt/<int:pk>/confirm/", adoption.adoption_confirm, name="adoption-confirm"
    ),
    path("admin/fleets/<slug:name>/", administration.fleet_form, name="fleet-edit"),
    path("admin/fleets/<slug:name>/test/", administration.fleet_test, name="fleet-test"),
    path("admin/webhooks/", notices.webhook_list, name="webhook-list"),
    path("admin/webhooks/add/", notices.webhook_form, name="webhook-add"),
    path("admin/webhooks/<slug:name>/", notices.webhook_form, name="webhook-edit"),
    path("admin/webhooks/<slug:name>/test/", notices.webhook_test, name="webhook-test"),
    path("admin/webhooks/<slug:name>/remove/", notices.webhook_remove, name="webhook-remove"),
    path("admin/hubs/", administration.hub_list, name="hub-list"),
    path("admin/hubs/add/", administration.hub_form, name="hub-add"),
    path("admin/hubs/<slug:name>/", administration.hub_form, name="hub-edit"),
    path("admin/hubs/<slug:name>/test/", administration.hub_test, name="hub-test"),
    path("admin/roles/", roles.role_list, name="role-list"),
    path("admin/roles/add/", roles.role_add, name="role-add"),
    path("admin/roles/<int:pk>/remove/", roles.role_remove, name="role-remove"),
    path("admin/tokens/", service_tokens.token_list, name="token-list"),
    path("admin/tokens/add/", service_tokens.token_form, name="token-add"),
    path("admin/tokens/<slug:prefix>/revoke/", service_tokens.token_revoke, name="token-revoke"),
]

urlpatterns = [
    path("", overview.overview, name="overview"),
    *cluster_urls,
    *application_urls,
    *change_urls,
    *rollout_urls,
    *bulk_urls,
    path("plan/", fleet_plans.fleet_plan, name="change-plan"),
    path("releases/", releases.release_list, name="release-list"),
    path("tenants/", tenants.tenant_list, name="tenant-list"),
    path("layers/edit/", layers.layer_edit, name="layer-edit"),
    path("layers/edit/preview/", layers.layer_preview, name="layer-preview"),
    path("tenants/<slug:name>/", tenants.tenant_detail, name="tenant-detail"),
    path("lint/", lint.lint, name="lint"),
    path("lint/report.json", lint.lint_json, name="lint-json"),
    path("lint/report.sarif", lint.lint_sarif, name="lint-sarif"),
    path("values/", values.value_search, name="value-search"),
    path("search/", search.search, name="search"),
    path("live/", live.live, name="live"),
    path("system/", system.system, name="system"),
    path("account/mail/", notices.mail_choice, name="mail-choice"),
    path("audit/", audit.audit, name="audit"),
    path("audit/export.csv", audit.audit_csv, name="audit-csv"),
    path("audit/export.json", audit.audit_json, name="audit-json"),
    path("audit/verify/", audit.audit_verify, name="audit-verify"),
    path("metrics", metrics.metrics, name="metrics"),
    path("webhooks/forge/<slug:name>/", forge_calls.forge_called, name="forge-called"),
    *administration_urls,
    *api.urlpatterns,
]
