{{/* What the cluster offers, unless the values say it. Each answers "true" or "". */}}
{{- define "inferno.openshift" -}}
{{- $apis := .Capabilities.APIVersions -}}
{{- if eq .Values.platform "openshift" -}}true
{{- else if and (eq .Values.platform "auto") (or ($apis.Has "route.openshift.io/v1") ($apis.Has "security.openshift.io/v1")) -}}true
{{- end -}}
{{- end -}}

{{/* Called with (dict "root" $ "value" V "kind" "ServiceMonitor"). */}}
{{- define "inferno.monitoringKind" -}}
{{- if eq (toString .value) "true" -}}true
{{- else if eq (toString .value) "auto" -}}
{{- if .root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" .kind) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{- define "inferno.serviceMonitors" -}}
{{- include "inferno.monitoringKind" (dict "root" . "value" .Values.serviceMonitor.enabled "kind" "ServiceMonitor") -}}
{{- end -}}

{{/* always, never, or auto: on OpenShift. Called with (dict "root" $ "value" V). */}}
{{- define "inferno.onOpenshift" -}}
{{- if eq (toString .value) "always" -}}true
{{- else if eq (toString .value) "auto" -}}{{- include "inferno.openshift" .root -}}
{{- end -}}
{{- end -}}

{{/* cert-manager, or Helm where there is none or where Helm did it before: nothing changes because somebody installs cert-manager. */}}
{{- define "inferno.issuingMode" -}}
{{- $name := printf "%s-client-tls" (include "inferno.name" (dict "root" . "service" "actuator")) -}}
{{- $found := lookup "v1" "Secret" .Release.Namespace $name | default dict -}}
{{- $annotations := dig "metadata" "annotations" dict $found | default dict -}}
{{- if hasKey $annotations "inferno.llmd.ai/renew-after" -}}self-signed
{{- else if .Capabilities.APIVersions.Has "cert-manager.io/v1" -}}cert-manager
{{- else -}}self-signed
{{- end -}}
{{- end -}}

{{- define "inferno.tlsMode" -}}
{{- if ne .Values.tls.mode "auto" -}}{{ .Values.tls.mode }}
{{- else if include "inferno.openshift" . -}}openshift
{{- else -}}{{ include "inferno.issuingMode" . }}
{{- end -}}
{{- end -}}

{{/* Who makes the client certificates: OpenShift's service certificates are for servers only. */}}
{{- define "inferno.clientTlsMode" -}}
{{- $mode := include "inferno.tlsMode" . -}}
{{- if ne $mode "openshift" -}}{{ $mode }}
{{- else -}}{{ include "inferno.issuingMode" . }}
{{- end -}}
{{- end -}}

{{- define "inferno.clientCertificates" -}}
{{- if and .Values.authorization.enabled .Values.authorization.clientCertificates -}}true{{- end -}}
{{- end -}}

{{- define "inferno.prometheusUrl" -}}
{{- if .Values.prometheus.url -}}{{ .Values.prometheus.url }}
{{- else if include "inferno.openshift" . -}}https://thanos-querier.openshift-monitoring.svc.cluster.local:9091
{{- else -}}https://kube-prometheus-stack-prometheus.inferno-autoscaler-monitoring.svc.cluster.local:9090
{{- end -}}
{{- end -}}

{{/* File with Prometheus' authority; empty: the system's. */}}
{{- define "inferno.prometheusCaFile" -}}
{{- if or .Values.prometheus.caConfigMap .Values.prometheus.caSecret -}}/etc/inferno/prometheus/{{ .Values.prometheus.caKey }}
{{- else if include "inferno.openshift" . -}}/etc/inferno/service-ca/service-ca.crt
{{- end -}}
{{- end -}}

{{- define "inferno.monitoringNamespaces" -}}
{{- if .Values.networkPolicy.monitoringNamespaces -}}
{{ toJson .Values.networkPolicy.monitoringNamespaces }}
{{- else if include "inferno.openshift" . -}}
["openshift-monitoring", "openshift-user-workload-monitoring"]
{{- else -}}
["inferno-autoscaler-monitoring", "monitoring"]
{{- end -}}
{{- end -}}

{{/* Volume and mount of Prometheus' authority, where the values name one. */}}
{{- define "inferno.prometheusVolume" -}}
{{- $given := or .Values.prometheus.caConfigMap .Values.prometheus.caSecret -}}
volumes:
  {{- if .Values.prometheus.caSecret }}
  - name: prometheus
    secret: {secretName: {{ .Values.prometheus.caSecret }}}
  {{- else if .Values.prometheus.caConfigMap }}
  - name: prometheus
    configMap: {name: {{ .Values.prometheus.caConfigMap }}}
  {{- else }} []
  {{- end }}
mounts:
  {{- if $given }}
  - {name: prometheus, mountPath: /etc/inferno/prometheus, readOnly: true}
  {{- else }} []
  {{- end }}
{{- end -}}
