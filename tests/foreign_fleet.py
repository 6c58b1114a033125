"""A fleet whose wrapper and fleet-secret charts are its own, as adopted repositories have them."""

from __future__ import annotations

from collections.abc import Mapping

MEMBERS = "fleet/fleet-bootstrap/fleet-members"
VERSIONS = "fleet/bootstrap/versions/applicationSets.yaml"
CHART = "charts/fleet-secret/templates/external-secret.yaml"
WRAPPER = "charts/application-sets/templates/sets.yaml"
_REPO = "{{ .metadata.annotations.fleet_repo_url }}"
_OWN = "{{ .tenant }}/clusters/{{ .clusterName }}"
_BASE = "{{ .metadata.annotations.addons_repo_basepath }}"

FILES: Mapping[str, str] = {
    VERSIONS: """\
releases:
  addons:
    - {type: default, version: "0.1.0", path: charts/application-sets}
""",
    # One set for each component, named by its chart; a prefix comes from the bootstrap set.
    "charts/application-sets/Chart.yaml": "apiVersion: v2\nname: application-sets\nversion: 0.1.0\n",
    "charts/application-sets/values.yaml": """\
metrics_server: {enabled: true, chartVersion: "3.12.1"}
cert_manager: {enabled: true, chartVersion: "1.15.0"}
unused: {enabled: false, chartVersion: "0.0.1"}
""",
    WRAPPER: """\
{{- range $name, $component := .Values }}
{{- if and (kindIs "map" $component) (get (default (dict) $component) "enabled") }}
---
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata:
  name: {{ printf "%s-%s" $.Values.prefix ($name | replace "_" "-") }}
spec:
  goTemplate: true
  generators:
    - clusters:
        selector:
          matchLabels: {addonsRelease: {{ $.Values.release | quote }}}
          matchExpressions:
            - {key: {{ printf "enable_%s" $name }}, operator: In, values: ["true"]}
  template:
    metadata:
      name: '{{ $name | replace "_" "-" }}-{{ "{{ .name | lower }}" }}'
    spec:
      destination: {name: '{{ "{{ .name }}" }}'}
      source:
        repoURL: https://charts.example
        chart: {{ $name }}
        targetRevision: {{ $component.chartVersion | quote }}
{{- end }}
{{- end }}
""",
    "addons/bootstrap/addons.yaml": "cert_manager: {chartVersion: '1.16.0'}\n",
    "fleet/bootstrap/addons.yaml": f"""\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata:
  name: cluster-addons
spec:
  goTemplate: true
  generators:
    - matrix:
        generators:
          - clusters:
              selector: {{matchLabels: {{fleet_member: hub-cluster}}}}
          - git:
              repoURL: '{_REPO}'
              files:
                - path: '{_BASE}bootstrap/versions/applicationSets.yaml'
  template:
    metadata:
      name: 'cluster-addons-{{{{ .name }}}}'
    spec:
      destination: {{name: '{{{{ .name }}}}'}}
  templatePatch: |
    spec:
      sources:
        - repoURL: {_REPO}
          ref: values
        {{{{- range .releases.addons }}}}
        - repoURL: '{{{{ $.metadata.annotations.fleet_repo_url }}}}'
          path: '{{{{ .path }}}}'
          helm:
            ignoreMissingValueFiles: true
            valueFiles:
              - $values/{{{{ $.metadata.annotations.addons_repo_basepath }}}}addons/bootstrap/addons.yaml
              - $values/{{{{ $.metadata.annotations.addons_repo_basepath }}}}addons/bootstrap/nowhere.yaml
            valuesObject:
              prefix: apps
              release: {{{{ .type | quote }}}}
        {{{{- end }}}}
""",
    "charts/fleet-secret/Chart.yaml": "apiVersion: v2\nname: fleet-secret\nversion: 9.0.0\n",
    "charts/fleet-secret/values.yaml": "externalSecret: {labels: {}}\n",
    CHART: """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: {{ .Values.cluster }}
spec:
  target:
    template:
      metadata:
        labels:
          argocd.argoproj.io/secret-type: cluster
          stage: {{ .Values.environment | upper | quote }}
          owner: '{{ "{{ .owner }}" }}'
          {{- toYaml .Values.externalSecret.labels | nindent 10 }}
""",
    "fleet/fleet-bootstrap/registration.yaml": f"""\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata:
  name: registration
spec:
  goTemplate: true
  generators:
    - matrix:
        generators:
          - clusters:
              selector: {{matchLabels: {{fleet_member: hub-cluster}}}}
              values: {{chart: fleet-secret}}
          - git:
              repoURL: '{_REPO}'
              files:
                - path: '{MEMBERS}/{{{{ .name }}}}/*.yaml'
  template:
    metadata:
      name: 'fleet-secret-{{{{ .clusterName }}}}'
    spec:
      destination: {{name: '{{{{ .name }}}}'}}
      sources:
        - repoURL: '{_REPO}'
          ref: values
        - repoURL: '{_REPO}'
          path: 'charts/{{{{ .values.chart }}}}'
          helm:
            ignoreMissingValueFiles: true
            valueFiles:
              - $values/addons/defaults/fleet/{{{{ .values.chart }}}}/values.yaml
              - $values/addons/tenants/{{{{ .tenant }}}}/defaults/fleet/{{{{ .values.chart }}}}/values.yaml
              - $values/addons/tenants/{_OWN}/fleet/{{{{ .values.chart }}}}/values.yaml
            values: |
              cluster: {{{{ .clusterName }}}}
              environment: {{{{ .environment }}}}
""",
    "addons/defaults/fleet/fleet-secret/values.yaml": """\
externalSecret:
  labels:
    addonsRelease: default
    enable_metrics_server: "true"
""",
}
