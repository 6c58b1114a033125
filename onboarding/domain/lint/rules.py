"""Every rule of lint, with the words that explain it. The ids are stable: CI jobs name them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from onboarding.domain.lint.findings import Rule, Severity

_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO

YAML_MALFORMED = Rule(
    "yaml-malformed",
    _E,
    "A file that cannot be read as YAML",
    "Argo CD and Helm refuse the file or misread it, and what depends on it stays as it was.",
    "Mend the file at this place.",
)

# Member files
MEMBER_KEY_MISSING = Rule(
    "member-key-missing",
    _E,
    "A member file without a key that is needed",
    "The fleet-secret chart refuses the member, so the cluster is not registered.",
    "Add the key; its value is text in double quotes.",
)
MEMBER_VALUE = Rule(
    "member-value-invalid",
    _E,
    "A value that a member file may not have",
    "The fleet-secret chart refuses the member, so its cluster secret is not made or not changed.",
    "Correct the value.",
)
MEMBER_NOT_TEXT = Rule(
    "member-not-text",
    _E,
    "A value of a member file that is not text",
    "Without quotes YAML reads true, no or 012 as something else than text, and the fleet-secret "
    "chart refuses the member.",
    "Write the value in double quotes.",
)
MEMBER_KEY_TYPO = Rule(
    "member-key-typo",
    _W,
    "An unknown key of a member file that looks like a known one",
    "Nothing reads an unknown key, so what was meant does not happen, and nobody says so.",
    "Correct the key's name.",
)
MEMBER_FILE_NAME = Rule(
    "member-file-name",
    _E,
    "A member file that is not called like its cluster",
    "The Application is named for the file; the chart refuses a member whose clusterName differs, "
    "so that no two files can register one cluster.",
    "Give the file the cluster's name, or correct clusterName.",
)
MEMBER_NOT_READ = Rule(
    "member-not-read",
    _W,
    "A file among the members that registration does not look at",
    "The registration reads one file per cluster at the place that the layout says; other files "
    "there register nothing.",
    "Move the file to where members are, with the ending .yaml, or remove it.",
)
CLUSTER_DUPLICATE = Rule(
    "cluster-duplicate",
    _E,
    "A cluster name that two members have",
    "Applications are named for the cluster: two clusters of one name overwrite each other's, and "
    "Argo CD drops one of them.",
    "Give each cluster a name of its own, also across hubs.",
)
SECRET_DUPLICATE = Rule(
    "secret-duplicate",
    _E,
    "A secret that two members use",
    "Two members with one secret are one server to Argo CD; it deploys both clusters' Applications "
    "to it, in turns.",
    "Give each member the secret of its own cluster.",
)
TEMPLATE_INJECTION = Rule(
    "template-injection",
    _E,
    "Double braces in what becomes a label or an annotation",
    "The value passes through the External Secrets Operator's template engine with the cluster's "
    "credentials in reach; a template there can copy them into a label that many can read.",
    "Remove the braces; write plain text.",
)

# Labels
LABEL_RESERVED = Rule(
    "label-reserved",
    _E,
    "A reserved label or annotation set by values",
    "The key means something to Argo CD, Kubernetes or the fleet itself. The fleet-secret chart "
    "refuses it, and the cluster secret stays as it was.",
    "Remove the key; the member file or the fleet itself sets it.",
)
LABEL_INVALID = Rule(
    "label-invalid",
    _E,
    "A label or annotation that the chart refuses",
    "The fleet-secret chart stops at it, and the cluster secrets of all clusters that inherit it "
    "stay as they were.",
    "Correct it; values are text in double quotes.",
)
LABELS_MISPLACED = Rule(
    "labels-misplaced",
    _W,
    "A key in a labels file that the fleet-secret chart does not know",
    "Labels are read from externalSecret.labels, annotations from externalSecret.annotations; what "
    "stands elsewhere has no effect.",
    "Move it below externalSecret.labels or externalSecret.annotations.",
)
FLAG_VALUE = Rule(
    "flag-value",
    _W,
    "An enable flag that is neither true nor false",
    "ApplicationSets select on the value true and nothing else, so the component is off.",
    'Write "true" or "false".',
)
FLAG_UNUSED = Rule(
    "flag-unused",
    _W,
    "A flag or release label that nothing selects on",
    "No component of any release channel has this flag, so setting it does nothing.",
    "Correct the name, or remove it.",
)
FLAG_OTHER_CHANNEL = Rule(
    "flag-not-in-channel",
    _W,
    "A component that is switched on where the release channel does not have it",
    "Only another channel of the group has the component, so these clusters do not get it, and "
    "nothing says so.",
    "Choose a channel that has the component, or remove the flag.",
)
LABEL_UNUSED = Rule(
    "label-unused",
    _I,
    "A label that nothing in the repository selects on",
    "It is carried on the cluster secret and chooses nothing. That may be meant: people or other "
    "tools may look for it.",
    "Keep it if something outside of the repository reads it; remove it otherwise.",
)
RELEASE_UNKNOWN = Rule(
    "release-unknown",
    _E,
    "A release channel that the versions file does not have",
    "The clusters get no new version of the group (with some charts, silently the first channel's), "
    "until the name is mended.",
    "Name a channel of the versions file, or add it there.",
)
RELEASE_MISSING = Rule(
    "release-missing",
    _W,
    "A cluster that no release label of a group reaches",
    "A cluster without the label gets nothing of the group, whatever its flags say.",
    "Set the label in a layer that the cluster inherits, or switch its flags of this group off.",
)

# Values files
VALUES_NO_LAYER = Rule(
    "values-no-layer",
    _W,
    "A values file at a place that no layer has",
    "No lookup path leads here, so nothing in the file has any effect, and nothing says so.",
    "Move the file to the path of the layer that was meant, or remove it.",
)
VALUES_FILE_NAME = Rule(
    "values-file-name",
    _W,
    "A values file with another name than the one that is read",
    "The folder is right, but the file's name is not the one that is looked up; its values have no "
    "effect.",
    "Rename the file.",
)
VALUES_UNKNOWN_COMPONENT = Rule(
    "values-unknown-component",
    _W,
    "A values file of a component that no release channel has",
    "Components are looked up by the name in the catalogue; nothing reads this folder.",
    "Correct the folder's name, or remove the file with the component.",
)
VALUES_OTHER_BASE = Rule(
    "values-other-base",
    _W,
    "A values file below the base folder of another group",
    "Each group reads its own base folder; this component belongs to another group.",
    "Move the file below the base folder of the component's group.",
)
VALUES_UNKNOWN_CLUSTER = Rule(
    "values-unknown-cluster",
    _W,
    "Values of a cluster that is not a fleet member",
    "No member file has this name, so nothing reads the folder. A later cluster of this name would "
    "inherit it without anyone noticing.",
    "Correct the folder's name, or remove it.",
)
VALUES_OTHER_PLACE = Rule(
    "values-other-place",
    _E,
    "Values of a cluster below another tenant or environment than its own",
    "The cluster's own member file decides its path, so it does not read these values but those of "
    "its real tenant and environment.",
    "Move the folder to the cluster's tenant and environment, or correct the member file.",
)
VALUES_UNKNOWN_NAME = Rule(
    "values-unknown-name",
    _W,
    "Values of a tenant or environment whose name looks misspelt",
    "No cluster has this tenant or environment, but some have one of nearly the same name, which "
    "does not read these values.",
    "Correct the folder's name.",
)
VALUES_NOBODY = Rule(
    "values-nobody-yet",
    _I,
    "Values of a tenant or environment without any cluster",
    "Nobody inherits them yet. That is right before the first cluster and wrong after the last.",
    "Register a cluster there, or remove the folder.",
)

# Releases and catalogue
RELEASE_ENTRY = Rule(
    "release-entry",
    _E,
    "An entry of the versions file that cannot be used",
    "Rendering stops at it: the group's components cannot change on any cluster.",
    "Correct the entry.",
)
RELEASE_VERSION = Rule(
    "release-version",
    _E,
    "A channel whose version is not the one of its chart",
    "The channel's version must be the one in the wrapper's Chart.yaml; rendering stops otherwise, "
    "or delivers another catalogue than the file says.",
    "Make the two equal.",
)
RELEASE_CHART = Rule(
    "release-chart-missing",
    _E,
    "A channel or dependency whose wrapper chart is not in the repository",
    "Rendering stops, so the group's components cannot change on any cluster.",
    "Correct the path, or add the chart.",
)
RELEASE_DEPENDENCY = Rule(
    "release-dependency",
    _E,
    "A channel whose wrapper is not among the dependencies",
    "Helm loads the catalogues of all channels as dependencies of release-channels; a wrapper that "
    "is not listed there stops rendering.",
    "List the wrapper in Chart.yaml of release-channels.",
)
COMPONENT_INCOMPLETE = Rule(
    "component-incomplete",
    _E,
    "A component of the catalogue that cannot be deployed",
    "Rendering stops at it: no component of the group can change on any cluster.",
    "Complete the component.",
)
COMPONENT_CHART = Rule(
    "component-chart-missing",
    _E,
    "A component whose chart is not in the repository",
    "Its Applications fail on every cluster that has the flag.",
    "Correct the path, or add the chart.",
)
COMPONENT_COLLISION = Rule(
    "component-collision",
    _E,
    "Two components whose Applications could have one name",
    "Applications are called <component>-<cluster>; with dns and dns-check, the cluster check-a's "
    "dns and the cluster a's dns-check would be one Application. Rendering stops.",
    "Rename one of the two.",
)
COMPONENT_CHANGES = Rule(
    "component-changes",
    _E,
    "A component with another flag or group in another channel",
    "A cluster that changes its channel would lose the component, and its objects with it.",
    "Give it the same flag and group in every channel, or another name.",
)

# How the repository reads its own files
LAYOUT_DIFFERS = Rule(
    "layout-differs",
    _E,
    "Values layers in another order than the fleet is configured with",
    "What the product predicts and writes follows the configured layout, what the hub does follows "
    "this file: previews would be wrong, and edits go where nobody reads.",
    "Change the fleet's layout to this order, or this file to the layout.",
)
LAYOUT_HUB_PLACE = Rule(
    "layout-hub-environment",
    _E,
    "A spoke's values looked up by the hub's environment or tenant",
    "In a set that joins hubs with member files, .metadata.labels are the hub's: a live spoke on a "
    "development hub silently reads development values.",
    "Take the name from the member file: {{ .environment }}, {{ .tenant }}.",
)
REGISTRATION_KEY = Rule(
    "registration-key",
    _W,
    "A key that registration reads at a place where no member file has it",
    "The label that comes from it stays empty or false on every cluster, whatever the member says.",
    "Read the key where the member files have it.",
)
REGISTRATION_DELETES = Rule(
    "registration-deletes",
    _W,
    "A registration that takes cluster secrets away with the member file",
    "Without preserveResourcesOnDeletion, deleting a member file removes the cluster secret under "
    "running Applications: they are dropped, and their workloads belong to nobody.",
    "Set spec.syncPolicy.preserveResourcesOnDeletion to true, and let clusters go in steps.",
)
LABEL_CROSSED = Rule(
    "label-crossed",
    _W,
    "A release or flag filled from another one",
    "The label says what another label says, so changing its own source has no effect.",
    "Fill it from the key of the same name.",
)

RULES: Mapping[str, Rule] = MappingProxyType(
    {rule.id: rule for rule in list(globals().values()) if isinstance(rule, Rule)}
)
"""All rules by id, in the order of this page."""
