{{/* A literal inside an ApplicationSet's Go template: `{{` in the catalogue must reach the Application as it is. */}}
{{- define "release-channels.literal" -}}
{{- if kindIs "map" . -}}
  {{- $copy := dict -}}
  {{- range $key, $value := . -}}
    {{- $_ := set $copy (include "release-channels.escape" $key) (include "release-channels.literal" $value | fromJson).value -}}
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

{{- define "release-channels.escape" -}}
{{- . | replace "{{" "{{ \"{{\" }}" -}}
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
    {{- if eq $leaf "name" -}}{{- $value = "{{ .name }}" -}}
    {{- else if has $leaf (list "tenant" "environment") -}}{{- $value = printf "{{ .metadata.labels.%s }}" $leaf -}}
    {{- else if eq $leaf "repository.url" -}}{{- $value = include "release-channels.escape" $.root.Values.repository.url -}}
    {{- else if eq $leaf "repository.revision" -}}{{- $value = include "release-channels.escape" $.root.Values.repository.revision -}}
    {{- else if regexMatch "^labels\\.[A-Za-z0-9_./-]+$" $leaf -}}
      {{- $value = printf "{{ index .metadata.labels %q }}" (trimPrefix "labels." $leaf) -}}
    {{- else if regexMatch "^annotations\\.[A-Za-z0-9_./-]+$" $leaf -}}
      {{- $value = printf "{{ index (default (dict) (index .metadata \"annotations\")) %q | default \"\" }}" (trimPrefix "annotations." $leaf) -}}
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
    {{- $file := $pattern | replace "{base}" "{{ .values.base }}" | replace "{component}" $folder -}}
    {{- $file = $file | replace "{tenant}" "{{ .metadata.labels.tenant }}" | replace "{environment}" "{{ .metadata.labels.environment }}" | replace "{cluster}" "{{ .name }}" -}}
    {{- $files = append $files (printf "$values/%s" $file) -}}
  {{- end -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{/*
Which clusters a generator takes. Every label that the template reads must be on the cluster, for one cluster without
it would stop the whole ApplicationSet.
*/}}
{{- define "release-channels.conditions" -}}
{{- $expressions := list (dict "key" "tenant" "operator" "Exists") (dict "key" "environment" "operator" "Exists") -}}
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
