{{/*
What may stand in a member file and in labels and annotations. Everything is refused here that could mean something else
further on: as a path in this repository, as a selector, or as a template, which the External Secrets Operator would
execute with the credentials in reach.
*/}}

{{- define "fleet-secret.where" -}}
{{- printf "fleet member %s" (default (toString (default "without a name" .Values.member.clusterName)) .Values.memberFile) -}}
{{- end -}}

{{- define "fleet-secret.check-member" -}}
{{- $member := .Values.member -}}
{{- $where := include "fleet-secret.where" . -}}
{{- if not (join "" (values $member)) -}}
  {{- fail "there is no fleet member to register: its file is empty, or holds characters that YAML does not allow. The registration ApplicationSet sets member from fleet/fleet-bootstrap/fleet-members/<hub>/<cluster>.yaml" -}}
{{- end -}}
{{- if not (has .Values.target (list "hub" "spoke")) -}}
  {{- fail (printf "%s: target must be hub or spoke" $where) -}}
{{- end -}}
{{- range $key, $value := pick $member "clusterName" "tenant" "environment" "secretManagerSecretName" "use_remote_argo" "enable_remote_addons" "enable_remote_resources" "use_external_secrets" "addons_repo_basepath" "resources_repo_basepath" "githubSecret" "githubSecretName" "use_fleet_ack" "use_argocd_ingress" "push_argo_secrets" "handover" "offboarding" "paused" -}}
  {{- if not (kindIs "string" $value) -}}
    {{- fail (printf "%s: %s is not a string; write it in double quotes" $where $key) -}}
  {{- end -}}
{{- end -}}
{{- $needed := list "clusterName" "tenant" "environment" "use_remote_argo" "enable_remote_addons" "enable_remote_resources" -}}
{{- if eq .Values.target "hub" -}}{{- $needed = append $needed "secretManagerSecretName" -}}{{- end -}}
{{- range $key := $needed -}}
  {{- if not (get $member $key) -}}
    {{- fail (printf "%s: the key %s is missing" $where $key) -}}
  {{- end -}}
{{- end -}}
{{- range $key := list "clusterName" "tenant" "environment" -}}
  {{- $value := get $member $key -}}
  {{- if or (gt (len $value) 63) (not (regexMatch "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$" $value)) -}}
    {{- fail (printf "%s: %s %q is not a name of at most 63 lower-case letters, digits and dashes" $where $key $value) -}}
  {{- end -}}
{{- end -}}
{{- if has $member.tenant (list "defaults" "fleet") -}}
  {{- fail (printf "%s: the tenant cannot be called %s; that name belongs to the fleet itself" $where $member.tenant) -}}
{{- end -}}
{{- if and .Values.memberFile (ne .Values.memberFile $member.clusterName) -}}
  {{- fail (printf "%s: clusterName is %q but the file is %s.yaml; the two must be equal, so that no two files can register one cluster" $where $member.clusterName .Values.memberFile) -}}
{{- end -}}
{{- range $key := list "use_remote_argo" "enable_remote_addons" "enable_remote_resources" "use_external_secrets" "use_fleet_ack" "use_argocd_ingress" "push_argo_secrets" "githubSecret" "handover" "offboarding" "paused" -}}
  {{- $value := default "false" (get $member $key) -}}
  {{- if not (has $value (list "true" "false")) -}}
    {{- fail (printf "%s: %s must be \"true\" or \"false\", not %q" $where $key $value) -}}
  {{- end -}}
{{- end -}}
{{- if ne $member.use_remote_argo "true" -}}
  {{- range $key := list "enable_remote_addons" "enable_remote_resources" -}}
    {{- if eq (get $member $key) "true" -}}
      {{- fail (printf "%s: %s is \"true\" while use_remote_argo is \"false\"; the hub would leave the group to an Argo CD that is not there" $where $key) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if and (eq .Values.target "hub") (eq $member.use_remote_argo "true") (eq (default "false" $member.offboarding) "true") -}}
  {{- fail (printf "%s: offboarding is \"true\" while the spoke manages itself; hand its groups back to the hub first, so that its own Argo CD does not go before what it deployed" $where) -}}
{{- end -}}
{{- if and (eq $member.use_remote_argo "true") (eq (default "true" $member.use_external_secrets) "false") (eq (default "false" $member.githubSecret) "true") -}}
  {{- fail (printf "%s: githubSecret is \"true\", which needs the External Secrets Operator on the spoke, but use_external_secrets is \"false\"" $where) -}}
{{- end -}}
{{- if and (eq (default "false" $member.githubSecret) "true") (not $member.githubSecretName) -}}
  {{- fail (printf "%s: githubSecret is \"true\" but githubSecretName is missing" $where) -}}
{{- end -}}
{{- range $key := list "secretManagerSecretName" "githubSecretName" -}}
  {{- $value := get $member $key -}}
  {{- if and $value (or (contains ".." $value) (not (regexMatch "^(arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:)?[A-Za-z0-9/_+=.@-]{1,512}$" $value))) -}}
    {{- fail (printf "%s: %s %q is not the name of a secret in AWS Secrets Manager" $where $key $value) -}}
  {{- end -}}
{{- end -}}
{{- range $key := list "addons_repo_basepath" "resources_repo_basepath" -}}
  {{- $value := get $member $key -}}
  {{- if and $value (not (regexMatch "^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$" $value)) -}}
    {{- fail (printf "%s: %s %q is not a folder of the fleet repository; write it like addons or teams/addons, without a slash at either end" $where $key $value) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* Keys of labels and annotations that mean something to Argo CD, Kubernetes or the fleet, and are set by this chart alone. */}}
{{- define "fleet-secret.check-key" -}}
{{- $key := .key -}}
{{- $where := printf "%s: the %s %q" .where .kind .key -}}
{{- $name := last (splitList "/" $key) -}}
{{- $prefix := "" -}}
{{- if contains "/" $key -}}{{- $prefix = first (splitList "/" $key) -}}{{- end -}}
{{- if or (gt (len $name) 63) (gt (len $prefix) 253) (not (regexMatch "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$" $key)) -}}
  {{- fail (printf "%s is not a Kubernetes key" $where) -}}
{{- end -}}
{{- if regexMatch "(^|\\.)(argoproj\\.io|kubernetes\\.io|k8s\\.io|external-secrets\\.io)$" $prefix -}}
  {{- fail (printf "%s is reserved: keys of argoproj.io, kubernetes.io and external-secrets.io are not set by values" $where) -}}
{{- end -}}
{{- $reserved := list "fleet_member" "fleet_handover" "fleet_offboarding" "fleet_repo_url" "fleet_repo_revision" "fleet_github_secret" "fleet_github_secret_name" "fleet_aws_region" "tenant" "environment" "clusterName" "use_remote_argo" "enable_remote_addons" "enable_remote_resources" "use_external_secrets" "use_fleet_ack" "use_argocd_ingress" "push_argo_secrets" "addons_repo_basepath" "resources_repo_basepath" "project" "shard" -}}
{{- if or (has $key $reserved) (eq $prefix "fleet") -}}
  {{- fail (printf "%s is reserved: it comes from the member file, or is the fleet's own" $where) -}}
{{- end -}}
{{- end -}}

{{/* Takes root and kind (labels or annotations). Gives JSON of what the values layers set, checked; null leaves out. */}}
{{- define "fleet-secret.from-layers" -}}
{{- $where := include "fleet-secret.where" .root -}}
{{- $kind := .kind -}}
{{- $found := dict -}}
{{- range $key, $value := default (dict) (get .root.Values.externalSecret .kind) -}}
  {{- if not (kindIs "invalid" $value) -}}
    {{- include "fleet-secret.check-key" (dict "where" $where "kind" (trimSuffix "s" $kind) "key" $key) -}}
    {{- if not (kindIs "string" $value) -}}
      {{- fail (printf "%s: the %s %q is not a string; write its value in double quotes" $where (trimSuffix "s" $kind) $key) -}}
    {{- end -}}
    {{- if and (eq $kind "labels") (not (regexMatch "^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$" $value)) -}}
      {{- fail (printf "%s: the label %q has a value that Kubernetes refuses: at most 63 letters, digits, dashes, underscores and dots" $where $key) -}}
    {{- end -}}
    {{- if or (gt (len $value) 1024) (not (regexMatch "^[ -~]*$" $value)) (regexMatch "[\"'`\\\\]|\\{\\{|\\}\\}" $value) -}}
      {{- fail (printf "%s: the %s %q may hold only one line of plain text, without quotes, backslashes and double braces, because it passes through a template that sees the credentials" $where (trimSuffix "s" $kind) $key) -}}
    {{- end -}}
    {{- $_ := set $found $key $value -}}
  {{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/*
The labels of the cluster secret, as JSON. The fleet's own come last, so that nothing can stand in their place.
A cluster that is leaving (offboarding) has only those: its Applications go in order while it can still be reached.
*/}}
{{- define "fleet-secret.labels" -}}
{{- $member := .Values.member -}}
{{- $labels := dict -}}
{{- $fromLayers := include "fleet-secret.from-layers" (dict "root" . "kind" "labels") | fromJson -}}
{{- if ne (default "false" $member.offboarding) "true" -}}
  {{- $labels = $fromLayers -}}
{{- end -}}
{{- $_ := set $labels "argocd.argoproj.io/secret-type" "cluster" -}}
{{- $_ := set $labels "fleet_member" "spoke" -}}
{{- $_ := set $labels "tenant" $member.tenant -}}
{{- $_ := set $labels "environment" $member.environment -}}
{{- $_ := set $labels "use_remote_argo" $member.use_remote_argo -}}
{{- $_ := set $labels "enable_remote_addons" $member.enable_remote_addons -}}
{{- $_ := set $labels "enable_remote_resources" $member.enable_remote_resources -}}
{{- $_ := set $labels "use_external_secrets" (default $member.use_remote_argo $member.use_external_secrets) -}}
{{- range $key := list "use_fleet_ack" "use_argocd_ingress" "push_argo_secrets" -}}
  {{- with get $member $key -}}{{- $_ := set $labels $key . -}}{{- end -}}
{{- end -}}
{{- range $key := list "handover" "offboarding" -}}
  {{- if eq (default "false" (get $member $key)) "true" -}}{{- $_ := set $labels (printf "fleet_%s" $key) "true" -}}{{- end -}}
{{- end -}}
{{- toJson $labels -}}
{{- end -}}

{{/* The annotations of the cluster secret, as JSON. */}}
{{- define "fleet-secret.annotations" -}}
{{- $member := .Values.member -}}
{{- $annotations := include "fleet-secret.from-layers" (dict "root" . "kind" "annotations") | fromJson -}}
{{- range $key := list "addons_repo_basepath" "resources_repo_basepath" -}}
  {{- with get $member $key -}}{{- $_ := set $annotations $key . -}}{{- end -}}
{{- end -}}
{{- if eq (default "false" $member.githubSecret) "true" -}}
  {{- $_ := set $annotations "fleet_github_secret" "true" -}}
  {{- $_ := set $annotations "fleet_github_secret_name" $member.githubSecretName -}}
  {{- $_ := set $annotations "fleet_aws_region" (required (printf "%s: githubSecret needs the region of AWS Secrets Manager; the hub's cluster secret has no annotation fleet_aws_region" (include "fleet-secret.where" .)) .Values.region) -}}
{{- end -}}
{{- if and (eq .Values.target "hub") (eq (default "false" $member.paused) "true") -}}
  {{- /* The hub's Argo CD then leaves every Application on the cluster as it is. */ -}}
  {{- $_ := set $annotations "argocd.argoproj.io/skip-reconcile" "true" -}}
{{- end -}}
{{- if eq .Values.target "spoke" -}}
  {{- $_ := set $annotations "fleet_repo_url" .Values.repository.url -}}
  {{- $_ := set $annotations "fleet_repo_revision" .Values.repository.revision -}}
{{- end -}}
{{- toJson $annotations -}}
{{- end -}}
