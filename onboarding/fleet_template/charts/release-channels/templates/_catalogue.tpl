{{/*
One channel's catalogue: the values of the wrapper chart at the channel's version, with the channel's own values laid
over them, and of those the components of the asked group.
Takes  root: the chart's context, entry: one entry of the versions file, group: the group.
Gives  JSON {"<component>": {group, flag, namespace, source, ...}}.
*/}}
{{- define "release-channels.catalogue" -}}
{{- $root := .root -}}
{{- $entry := .entry -}}
{{- $alias := include "release-channels.wrapper" (dict "root" $root "entry" $entry "group" .group) -}}
{{- $catalogue := dict "components" (deepCopy (dig "components" (dict) (default (dict) (index $root.Values $alias)))) -}}
{{- include "release-channels.merge" (dict "into" $catalogue "patch" (deepCopy (default (dict) $entry.values))) -}}
{{- $found := dict -}}
{{- range $name, $component := $catalogue.components -}}
  {{- include "release-channels.check" (dict "name" $name "component" $component "entry" $entry "group" $.group) -}}
  {{- if eq $component.group $.group -}}
    {{- $_ := set $found $name $component -}}
  {{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/*
Finds the wrapper chart that an entry names among the dependencies of this chart, or says what to do.
Gives the dependency's alias.
*/}}
{{- define "release-channels.wrapper" -}}
{{- $entry := .entry -}}
{{- $where := printf "fleet/bootstrap/versions/applicationSets.yaml, %s, release %q" .group (toString $entry.type) -}}
{{- if and $entry.path (or $entry.repoURL $entry.chart) -}}
  {{- fail (printf "%s has a path and a repoURL or chart; give one of them" $where) -}}
{{- end -}}
{{- if and (or $entry.repoURL $entry.chart) (not (and $entry.repoURL $entry.chart)) -}}
  {{- fail (printf "%s needs both repoURL and chart to name a chart in a Helm repository" $where) -}}
{{- end -}}
{{- if and $entry.repoURL (eq $entry.chart "application-sets") -}}
  {{- fail (printf "%s takes application-sets from a Helm repository; publish it under another name, because Helm finds dependencies by name and would mix it up with the folders of this repository" $where) -}}
{{- end -}}
{{- $chart := default "application-sets" $entry.chart -}}
{{- $version := toString $entry.version -}}
{{- $alias := printf "%s-%s" $chart (regexReplaceAll "[.+]" $version "-") -}}
{{- $repository := printf "file://../../%s" (default "charts/application-sets" $entry.path) | replace "file://../../charts/" "file://../" -}}
{{- if $entry.repoURL -}}{{- $repository = $entry.repoURL -}}{{- end -}}
{{- $known := list -}}
{{- $match := false -}}
{{- range .root.Chart.Dependencies -}}
  {{- $known = append $known (printf "%s %s (%s)" .Name .Version .Repository) -}}
  {{- if and (eq .Name $alias) (eq .Version $version) -}}
    {{- if ne (trimSuffix "/" .Repository) (trimSuffix "/" $repository) -}}
      {{- fail (printf "%s wants %s %s from %s, but charts/release-channels/Chart.yaml takes that version from %s; make the two equal" $where $chart $version $repository .Repository) -}}
    {{- end -}}
    {{- $match = true -}}
  {{- end -}}
{{- end -}}
{{- if not $match -}}
  {{- fail (printf "%s wants %s %s, which charts/release-channels/Chart.yaml does not list; add a dependency with name %s, alias %s, version %s, repository %s. It lists: %s" $where $chart $version $chart $alias $version $repository (join ", " $known)) -}}
{{- end -}}
{{- $alias -}}
{{- end -}}

{{/*
Refuses to render while a wrapper chart that Chart.yaml lists is not in the folder charts/.

Helm looks for dependencies by name, and all versions of the wrapper have one name: where one of them is there, Helm does
not miss the others, and their components would be gone without a word. That happens for an instant whenever two
Applications of this chart are rendered at once, for the first of them builds the dependencies file by file. Argo CD takes
the words that Helm has for a missing dependency as a request to build them and to render again; so these are the words.
*/}}
{{- define "release-channels.complete" -}}
{{- range .Chart.Dependencies -}}
  {{- if not (hasKey $.Values .Name) -}}
    {{- fail (printf "%s %s is found in Chart.yaml, but missing in charts/ directory: run helm dependency build" .Name .Version) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/*
Lays a patch over values, in place, as a JSON merge patch does (RFC 7386): maps are merged, null removes, all else replaces.
*/}}
{{- define "release-channels.merge" -}}
{{- $into := .into -}}
{{- range $key, $value := .patch -}}
  {{- if kindIs "invalid" $value -}}
    {{- $_ := unset $into $key -}}
  {{- else if kindIs "map" $value -}}
    {{- if not (kindIs "map" (get $into $key)) -}}{{- $_ := set $into $key (dict) -}}{{- end -}}
    {{- include "release-channels.merge" (dict "into" (get $into $key) "patch" $value) -}}
  {{- else -}}
    {{- $_ := set $into $key $value -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* Refuses a component that could not be deployed, in words that say which and why. */}}
{{- define "release-channels.check" -}}
{{- $where := printf "component %q of %s release %q" .name .group (toString .entry.type) -}}
{{- if not (regexMatch "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$" .name) -}}
  {{- fail (printf "%s: a component name is 1 to 40 lower-case letters, digits and dashes" $where) -}}
{{- end -}}
{{- if not (has .component.group (list "addons" "resources" "monitoring" "fleet")) -}}
  {{- fail (printf "%s: group must be addons, resources, monitoring or fleet, not %q" $where (toString .component.group)) -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]([a-z0-9_]{0,61}[a-z0-9])?$" (toString .component.flag)) -}}
  {{- fail (printf "%s: flag %q is not a label of lower-case letters, digits and underscores" $where (toString .component.flag)) -}}
{{- end -}}
{{- if not .component.namespace -}}
  {{- fail (printf "%s: namespace is missing" $where) -}}
{{- end -}}
{{- $source := default (dict) .component.source -}}
{{- if $source.path -}}
  {{- if or $source.repoURL $source.chart $source.version -}}
    {{- fail (printf "%s: its source has a path and a repoURL, chart or version; remove one side (null removes a key)" $where) -}}
  {{- end -}}
{{- else if not (and $source.repoURL $source.chart $source.version) -}}
  {{- fail (printf "%s: its source needs either path, or repoURL, chart and version" $where) -}}
{{- end -}}
{{- end -}}

{{/*
Application names are <component>-<cluster>. No two can be the same as long as no component's name is another's followed
by a dash, so that is checked over all wrapper versions, with the names that this repository itself uses.
A component keeps its group in all versions, because its ApplicationSet is written by that group alone.
*/}}
{{- define "release-channels.names" -}}
{{- $names := list "bootstrap" "fleet-root" "fleet-secret" -}}
{{- $groups := dict -}}
{{- range $dependency := .Chart.Dependencies -}}
  {{- range $name, $component := dig "components" (dict) (default (dict) (index $.Values $dependency.Name)) -}}
    {{- $names = append $names $name -}}
    {{- $before := get $groups $name -}}
    {{- if and $before (ne $before $component.group) -}}
      {{- fail (printf "component %q is in group %s in one version of the wrapper chart and in %s in another; a component keeps its group, give the new one another name" $name $before $component.group) -}}
    {{- end -}}
    {{- $_ := set $groups $name $component.group -}}
  {{- end -}}
{{- end -}}
{{- range $group, $entries := .Values.releases -}}
  {{- range $entry := $entries -}}
    {{- range $name, $_ := dig "values" "components" (dict) $entry -}}{{- $names = append $names $name -}}{{- end -}}
  {{- end -}}
{{- end -}}
{{- $names = uniq $names -}}
{{- range $short := $names -}}
  {{- range $long := $names -}}
    {{- if hasPrefix (printf "%s-" $short) $long -}}
      {{- fail (printf "components %q and %q cannot both exist: the Application of one on a cluster could carry the name of the other's; rename one" $short $long) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}
