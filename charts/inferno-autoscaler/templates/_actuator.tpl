{{/* Environment, volumes and mounts of the actuator: its Deployment and the test pod have the same. */}}
{{- define "inferno.actuatorParts" -}}
{{- $namespace := .Release.Namespace -}}
{{- $url := "https://%s.%s.svc:%s" -}}
{{- $collector := dict "root" . "service" "collector" -}}
{{- $optimizer := dict "root" . "service" "optimizer" -}}
{{- $openshift := eq (include "inferno.tlsMode" .) "openshift" -}}
{{- $client := printf "%s-client-tls" (include "inferno.name" (dict "root" . "service" "actuator")) -}}
env:
  INFERNO_NAMESPACE: {{ $namespace }}
  INFERNO_COLLECTOR_URL: {{ printf $url (include "inferno.serviceName" $collector) $namespace (include "inferno.port" $collector) }}
  INFERNO_OPTIMIZER_URL: {{ printf $url (include "inferno.serviceName" $optimizer) $namespace (include "inferno.port" $optimizer) }}
  INFERNO_TLS_CERT_FILE: /etc/inferno/tls/tls.crt
  INFERNO_TLS_KEY_FILE: /etc/inferno/tls/tls.key
  INFERNO_CLIENT_CA_FILE: {{ ternary "/etc/inferno/service-ca/service-ca.crt" "/etc/inferno/tls/ca.crt" $openshift }}
  INFERNO_LEADER_ELECTION: "true"
  {{- if .Values.authorization.enabled }}
  INFERNO_SERVICE_AUTHORIZATION: kubernetes
  INFERNO_METRICS_AUTHORIZATION: kubernetes
  INFERNO_CLIENT_TOKEN_FILE: /var/run/secrets/inferno/token
  {{- end }}
  {{- if include "inferno.clientCertificates" . }}
  INFERNO_CLIENT_CERT_FILE: /etc/inferno/client/tls.crt
  INFERNO_CLIENT_KEY_FILE: /etc/inferno/client/tls.key
  {{- end }}
  {{- if .Values.externalMetrics.enabled }}
  INFERNO_EXTERNAL_METRICS: "true"
  INFERNO_EXTERNAL_METRICS_AUTHORIZATION: aggregator
  {{- end }}
  {{- with .Values.watchNamespaces }}
  INFERNO_WATCH_NAMESPACES: {{ join "," . }}
  {{- end }}
  {{- if .Values.actuator.decisionLog.enabled }}
  INFERNO_DECISION_LOG_FILE: /var/log/inferno/decisions.jsonl
  {{- end }}
mounts:
  {{- if include "inferno.clientCertificates" . }}
  - {name: client, mountPath: /etc/inferno/client, readOnly: true}
  {{- end }}
  {{- if .Values.authorization.enabled }}
  - {name: token, mountPath: /var/run/secrets/inferno, readOnly: true}
  {{- end }}
  {{- if $openshift }}
  - {name: service-ca, mountPath: /etc/inferno/service-ca, readOnly: true}
  {{- end }}
  {{- if .Values.actuator.decisionLog.enabled }}
  - {name: decisions, mountPath: /var/log/inferno}
  {{- end }}
volumes:
  {{- if include "inferno.clientCertificates" . }}
  - name: client
    secret: {secretName: {{ $client }}}
  {{- end }}
  {{- if .Values.authorization.enabled }}
  - name: token
    projected:
      sources:
        - serviceAccountToken: {path: token, audience: inferno-autoscaler, expirationSeconds: 3600}
  {{- end }}
  {{- if $openshift }}
  - name: service-ca
    configMap: {name: {{ include "inferno.fullname" . }}-service-ca}
  {{- end }}
  {{- if .Values.actuator.decisionLog.enabled }}
  - name: decisions
    {{- if .Values.actuator.decisionLog.existingClaim }}
    persistentVolumeClaim: {claimName: {{ .Values.actuator.decisionLog.existingClaim }}}
    {{- else }}
    emptyDir: {sizeLimit: {{ .Values.actuator.decisionLog.sizeLimit }}}
    {{- end }}
  {{- end }}
{{- end -}}
