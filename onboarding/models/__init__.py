"""What SQL holds: intents, decisions, deliveries, observations and the audit trail.

Git is the database of the fleet; everything in `cluster` is a cache of it and can be rebuilt.
"""

from __future__ import annotations

from onboarding.models.adoption import Adoption
from onboarding.models.approval import Approval
from onboarding.models.bulk import Bulk, BulkRow
from onboarding.models.change import Change, Comment, Participant
from onboarding.models.cluster import Cluster
from onboarding.models.delivery import Delivery, DeliveryAttempt, PullRequest, WriterLease
from onboarding.models.event import Event, EventHead
from onboarding.models.fleet import Fleet, Hub
from onboarding.models.grant import Grant
from onboarding.models.hub_move import HubMove
from onboarding.models.lint import LintFinding, LintReport
from onboarding.models.lookups import Among
from onboarding.models.notice import MailChoice, Notice, NoticeMark, Webhook
from onboarding.models.observation import (
    ApplicationStatus,
    ClusterStatus,
    HubObject,
    HubWatch,
)
from onboarding.models.offboarding import Offboarding, OffboardingStep
from onboarding.models.onboarding import Onboarding
from onboarding.models.outcome import Outcome
from onboarding.models.pause import ClusterPause
from onboarding.models.policy import PolicyRule, StopSwitch, WantedGroup
from onboarding.models.pulse import Pulse
from onboarding.models.rollout import Rollout, RolloutRow, RolloutWave
from onboarding.models.saved_filter import SavedFilter
from onboarding.models.service import IdempotencyKey, ServiceAccount, ServiceToken
from onboarding.models.sign_in import (
    ExternalIdentity,
    ProviderGroup,
    ProviderMembership,
    SignIn,
    SignInFailures,
)
from onboarding.models.standing import Standing
from onboarding.models.system import Heartbeat

__all__ = [
    "Adoption",
    "Among",
    "ApplicationStatus",
    "Approval",
    "Bulk",
    "BulkRow",
    "Change",
    "Cluster",
    "ClusterPause",
    "ClusterStatus",
    "Comment",
    "Delivery",
    "DeliveryAttempt",
    "Event",
    "EventHead",
    "ExternalIdentity",
    "Fleet",
    "Grant",
    "Heartbeat",
    "Hub",
    "HubMove",
    "HubObject",
    "HubWatch",
    "IdempotencyKey",
    "LintFinding",
    "LintReport",
    "MailChoice",
    "Notice",
    "NoticeMark",
    "Offboarding",
    "OffboardingStep",
    "Onboarding",
    "Outcome",
    "Participant",
    "PolicyRule",
    "ProviderGroup",
    "ProviderMembership",
    "PullRequest",
    "Pulse",
    "Rollout",
    "RolloutRow",
    "RolloutWave",
    "SavedFilter",
    "ServiceAccount",
    "ServiceToken",
    "SignIn",
    "SignInFailures",
    "Standing",
    "StopSwitch",
    "WantedGroup",
    "Webhook",
    "WriterLease",
]
