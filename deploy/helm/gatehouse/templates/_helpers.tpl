{{- define "gatehouse.name" -}}
{{- $name := printf "%s-%s" .Release.Name .Chart.Name }}
{{- if contains .Chart.Name .Release.Name }}{{ $name = .Release.Name }}{{ end }}
{{- $name | trunc 53 | trimSuffix "-" }}
{{- end }}

{{- define "gatehouse.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gatehouse.labels" -}}
{{ include "gatehouse.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "gatehouse.check" -}}
{{- if and (or (gt (int .Values.replicas) 1) .Values.autoscaling.enabled) (not .Values.cluster.enabled) }}
{{- fail "replicas, autoscaling: several nodes without cluster.enabled have rooms of their own; set cluster.enabled, with GATEHOUSE_REDIS_URL and GATEHOUSE_CLUSTER_SECRET in the Secret" }}
{{- end }}
{{- if and (or .Values.cluster.enabled .Values.metrics.enabled) (not .Values.secretName) }}
{{- fail "secretName: cluster.enabled and metrics.enabled need secrets; name the Secret that has them" }}
{{- end }}
{{- if and .Values.cluster.tls.secretName (not .Values.cluster.enabled) }}
{{- fail "cluster.tls.secretName: there are no other pods without cluster.enabled" }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.enabled) }}
{{- fail "metrics.serviceMonitor.enabled: there is nothing to monitor without metrics.enabled" }}
{{- end }}
{{- end }}
