{{/*
What goes into an ApplicationSet's templatePatch is JSON with Go templates inside its strings. `escape` keeps the `{{` of
the catalogue as it is, `insert` puts in what an expression gives, escaped as JSON wants it. No double quotes here, for
those would be escaped on the way: Go's other quote is the backtick.
*/}}
{{- define "release-channels.escape" -}}
{{- . | replace "{{" "{{ `{{` }}" -}}
{{- end -}}

{{- define "release-channels.insert" -}}
{{- printf "{{ template `text` %s }}" . -}}
{{- end -}}

{{/* Stands at the head of a templatePatch: the JSON string of a value without its two quotes (34 is the quote). */}}
{{- define "release-channels.text" -}}
{{ "{{- define `text` }}{{ toString . | toJson | trimPrefix (printf `%c` 34) | trimSuffix (printf `%c` 34) }}{{ end }}" }}
{{- end -}}

{{/* A map as it is to arrive, without keys that are null: Kubernetes keeps none in an Application's values. */}}
{{- define "release-channels.literal" -}}
{{- if kindIs "map" . -}}
  {{- $copy := dict -}}
  {{- range $key, $value := . -}}
    {{- if not (kindIs "invalid" $value) -}}
      {{- $_ := set $copy (include "release-channels.escape" $key) (include "release-channels.literal" $value | fromJson).value -}}
    {{- end -}}
  {{- end -}}
  {{- toJson (dict "value" $copy) -}}
{{- else if kindIs "slice" . -}}
  {{- $copy := list -}}
  {{- range . -}}{{- $copy = append $copy (include "release-channels.literal" . | fromJson).value -}}{{- end -}}
  {{- toJson (dict "value" $copy) -}}
{{- else if kindIs "string" . -}}
  {{- toJson (dict "value" (include "release-channels.escape" .)) -}}
{{- else -}}
  {{- toJson (dict "value" .) -}}
{{- end -}}
{{- end -}}

{{/*
Values that come from the cluster itself. The catalogue names what to insert (clusterValues), never a template.
Takes a map whose leaves are name, tenant, environment, release, labels.<key>, annotations.<key>, repository.url or
repository.revision. Gives JSON of the same map with templates for the ApplicationSet.
*/}}
{{- define "release-channels.cluster-values" -}}
{{- $copy := dict -}}
{{- range $key, $leaf := .values -}}
  {{- if kindIs "map" $leaf -}}
    {{- $_ := set $copy $key (include "release-channels.cluster-values" (dict "root" $.root "name" $.name "values" $leaf) | fromJson) -}}
  {{- else -}}
    {{- $leaf = toString $leaf -}}
    {{- $value := "" -}}
    {{- if eq $leaf "name" -}}{{- $value = include "release-channels.insert" ".name" -}}
    {{- else if has $leaf (list "tenant" "environment") -}}
      {{- $value = printf ".metadata.labels.%s" $leaf | include "release-channels.insert" -}}
    {{- else if eq $leaf "repository.url" -}}{{- $value = include "release-channels.escape" $.root.Values.repository.url -}}
    {{- else if eq $leaf "repository.revision" -}}{{- $value = include "release-channels.escape" $.root.Values.repository.revision -}}
    {{- else if regexMatch "^labels\\.[A-Za-z0-9_./-]+$" $leaf -}}
      {{- $value = printf "(index .metadata.labels `%s` | default ``)" (trimPrefix "labels." $leaf) | include "release-channels.insert" -}}
    {{- else if regexMatch "^annotations\\.[A-Za-z0-9_./-]+$" $leaf -}}
      {{- $value = printf "(index (default (dict) (index .metadata `annotations`)) `%s` | default ``)" (trimPrefix "annotations." $leaf) | include "release-channels.insert" -}}
    {{- else -}}
      {{- fail (printf "component %q: clusterValues %q is not known; use name, tenant, environment, labels.<key>, annotations.<key>, repository.url or repository.revision" $.name $leaf) -}}
    {{- end -}}
    {{- $_ := set $copy $key $value -}}
  {{- end -}}
{{- end -}}
{{- toJson $copy -}}
{{- end -}}

{{/* The values files of one component, lowest layer first, as an Application of the cluster reads them. */}}
{{- define "release-channels.value-files" -}}
{{- $files := list -}}
{{- range $folder := .folders -}}
  {{- range $pattern := $.root.Values.layout.valueFiles -}}
    {{- $file := $pattern | replace "{component}" $folder -}}
    {{- range $word, $expression := dict "base" ".values.base" "tenant" ".metadata.labels.tenant" "environment" ".metadata.labels.environment" "cluster" ".name" -}}
      {{- $file = $file | replace (printf "{%s}" $word) (include "release-channels.insert" $expression) -}}
    {{- end -}}
    {{- $files = append $files (printf "$values/%s" $file) -}}
  {{- end -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{/*
Which clusters have a component, besides its flag. Every label that the template reads must be on the cluster, for one
cluster without it would stop the whole ApplicationSet. `without` are the channels whose catalogue lacks the component.
*/}}
{{- define "release-channels.conditions" -}}
{{- $label := printf "%sRelease" .group -}}
{{- $expressions := list (dict "key" $label "operator" "Exists") -}}
{{- with .without -}}
  {{- $expressions = append $expressions (dict "key" $label "operator" "NotIn" "values" .) -}}
{{- end -}}
{{- $expressions = concat $expressions (list (dict "key" "tenant" "operator" "Exists") (dict "key" "environment" "operator" "Exists")) -}}
{{- if has .group (list "addons" "resources") -}}
  {{- $operator := ternary "In" "NotIn" (eq .root.Values.scope "spoke") -}}
  {{- $expressions = append $expressions (dict "key" (printf "enable_remote_%s" .group) "operator" $operator "values" (list "true")) -}}
{{- end -}}
{{- toJson $expressions -}}
{{- end -}}

{{/* The base folder of a cluster's values layers: the one that its member file names, else the group's. */}}
{{- define "release-channels.base" -}}
{{- $annotation := get (dict "addons" "addons_repo_basepath" "fleet" "addons_repo_basepath" "resources" "resources_repo_basepath") .group -}}
{{- $base := required (printf "addons/bootstrap/layout.yaml: layout.bases has no base folder for the group %q" .group) (get .root.Values.layout.bases .group) -}}
{{- if $annotation -}}
{{- printf "{{ default %q (index (default (dict) (index .metadata \"annotations\")) %q) }}" $base $annotation -}}
{{- else -}}
{{- $base -}}
{{- end -}}
{{- end -}}

{{/*
What one channel makes of a component's Application: its namespace and its sources, as JSON for the templatePatch.
Takes  root, group, name: the component's name, component: its entry in the channel's catalogue.
*/}}
{{- define "release-channels.channel" -}}
{{- $repository := .root.Values.repository -}}
{{- $fleet := dict "repoURL" (include "release-channels.escape" $repository.url) "targetRevision" (include "release-channels.escape" $repository.revision) -}}
{{- $from := .component.source -}}
{{- $chart := dict -}}
{{- if $from.path -}}
  {{- $chart = merge (dict "path" $from.path) $fleet -}}
{{- else -}}
  {{- $chart = dict "repoURL" $from.repoURL "chart" $from.chart "targetRevision" (toString $from.version) -}}
{{- end -}}
{{- $helm := dict "releaseName" .name "ignoreMissingValueFiles" true -}}
{{- $_ := set $helm "valueFiles" (include "release-channels.value-files" (dict "root" .root "folders" (default (list .name) .component.layers)) | fromJsonArray) -}}
{{- $values := (include "release-channels.literal" (default (dict) .component.values) | fromJson).value -}}
{{- include "release-channels.merge" (dict "into" $values "patch" (include "release-channels.cluster-values" (dict "root" .root "name" .name "values" (default (dict) .component.clusterValues)) | fromJson)) -}}
{{- if $values -}}{{- $_ := set $helm "valuesObject" $values -}}{{- end -}}
{{- $_ := set $chart "helm" $helm -}}
{{- toJson (dict "destination" (dict "namespace" .component.namespace) "sources" (list $chart (merge (dict "ref" "values") $fleet))) -}}
{{- end -}}

{{/* The same for a channel that the versions file does not know: the Application stays, with all its objects, and says so. */}}
{{- define "release-channels.unknown" -}}
{{- $repository := .root.Values.repository -}}
{{- $values := dict "label" (printf "%sRelease" .group) "known" .known -}}
{{- $_ := set $values "release" (include "release-channels.insert" ".values.release") -}}
{{- $_ := set $values "cluster" (include "release-channels.insert" ".name") -}}
{{- $source := dict "path" "charts/unknown-release" "helm" (dict "releaseName" .name "valuesObject" $values) -}}
{{- $_ := set $source "repoURL" (include "release-channels.escape" $repository.url) -}}
{{- $_ := set $source "targetRevision" (include "release-channels.escape" $repository.revision) -}}
{{- toJson (dict "destination" (dict "namespace" .component.namespace) "sources" (list $source)) -}}
{{- end -}}
