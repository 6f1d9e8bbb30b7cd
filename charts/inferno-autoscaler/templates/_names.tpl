{{/* Names and labels: those of the deployment guide. */}}
{{- define "inferno.fullname" -}}
{{- default "inferno-autoscaler" .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of a service's objects. Called with (dict "root" $ "service" "actuator"). */}}
{{- define "inferno.name" -}}
{{- $suffix := ternary "controller-manager" .service (eq .service "actuator") -}}
{{- printf "%s-%s" (include "inferno.fullname" .root) $suffix -}}
{{- end -}}

{{/* Name of a service's Service. */}}
{{- define "inferno.serviceName" -}}
{{- $name := include "inferno.name" . -}}
{{- ternary (printf "%s-metrics-service" $name) $name (eq .service "actuator") -}}
{{- end -}}

{{- define "inferno.port" -}}
{{- get (dict "actuator" "8443" "collector" "8081" "optimizer" "8082") .service -}}
{{- end -}}

{{/* Labels that never change: selectors are immutable. */}}
{{- define "inferno.selectorLabels" -}}
app.kubernetes.io/name: inferno-autoscaler
app.kubernetes.io/component: {{ .service }}
{{- if eq .service "actuator" }}
control-plane: controller-manager
{{- end }}
{{- end -}}

{{- define "inferno.commonLabels" -}}
app.kubernetes.io/name: inferno-autoscaler
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "inferno.labels" -}}
{{ include "inferno.commonLabels" .root }}
app.kubernetes.io/component: {{ .service }}
{{- if eq .service "actuator" }}
control-plane: controller-manager
{{- end }}
{{- end -}}

{{/* Image of a service. */}}
{{- define "inferno.image" -}}
{{- $values := .root.Values -}}
{{- with get (get $values .service) "image" -}}
{{- . -}}
{{- else -}}
{{- $name := ternary "controller" .service (eq .service "actuator") -}}
{{- printf "%s/inferno-%s:%s" $values.image.repository $name (default .root.Chart.AppVersion $values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Labels and annotations of what exists during `helm test` only. */}}
{{- define "inferno.testMetadata" -}}
labels:
  {{- include "inferno.commonLabels" . | nindent 2 }}
  app.kubernetes.io/component: test
annotations:
  helm.sh/hook: test
  helm.sh/hook-weight: "-1"
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
