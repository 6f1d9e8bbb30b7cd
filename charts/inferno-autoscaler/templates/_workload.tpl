{{/*
The Deployment of a service. Called with (dict "root" $ "service" S "replicas" N "env" {NAME: value}
"volumes" [...] "mounts" [...] "token" bool); replicas nil leaves them to an HPA.
*/}}
{{- define "inferno.deployment" -}}
{{- $root := .root -}}
{{- $own := get $root.Values .service -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "inferno.name" . }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "inferno.labels" . | nindent 4 }}
spec:
  {{- if not (kindIs "invalid" .replicas) }}
  replicas: {{ .replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels:
      {{- include "inferno.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- with $root.Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- include "inferno.labels" . | nindent 8 }}
      annotations:
        kubectl.kubernetes.io/default-container: {{ .service }}
        {{- with $root.Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "inferno.podSpec" (merge (dict "args" list "probes" true) .) | nindent 6 }}
      {{- if $root.Values.topologySpread.enabled }}
      topologySpreadConstraints:
        {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
        - maxSkew: 1
          topologyKey: {{ $key }}
          whenUnsatisfiable: {{ $root.Values.topologySpread.whenUnsatisfiable }}
          labelSelector:
            matchLabels:
              {{- include "inferno.selectorLabels" $ | nindent 14 }}
        {{- end }}
      {{- end }}
{{- end -}}

{{/* What pods of a service are made of; the test pod is one as well. No uid: OpenShift chooses one, and elsewhere the image has it. */}}
{{- define "inferno.podSpec" -}}
{{- $root := .root -}}
{{- $own := get $root.Values .service -}}
serviceAccountName: {{ include "inferno.name" . }}
automountServiceAccountToken: {{ .token }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with default $root.Values.priorityClassName $own.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with default $root.Values.nodeSelector $own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with default $root.Values.tolerations $own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with default $root.Values.affinity $own.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
enableServiceLinks: false
terminationGracePeriodSeconds: 30
securityContext:
  runAsNonRoot: true
  seccompProfile: {type: RuntimeDefault}
containers:
  - name: {{ .service }}
    image: {{ include "inferno.image" . }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    {{- with .args }}
    args: {{ toJson . }}
    {{- end }}
    env:
      - name: POD_NAME
        valueFrom: {fieldRef: {fieldPath: metadata.name}}
      {{- $common := dict "INFERNO_HOST" "0.0.0.0" "INFERNO_PORT" (include "inferno.port" .) "INFERNO_LOG_LEVEL" $root.Values.logLevel -}}
      {{- range $name, $value := merge (dict) $own.env .env $common }}
      - {name: {{ $name }}, value: {{ $value | toString | quote }}}
      {{- end }}
    {{- if .probes }}
    ports:
      - {name: https, containerPort: {{ include "inferno.port" . }}, protocol: TCP}
    startupProbe:
      httpGet: {path: /healthz, port: https, scheme: HTTPS}
      periodSeconds: 2
      failureThreshold: 60
    livenessProbe:
      httpGet: {path: /healthz, port: https, scheme: HTTPS}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    readinessProbe:
      httpGet: {path: /readyz, port: https, scheme: HTTPS}
      periodSeconds: 5
      timeoutSeconds: 3
    {{- end }}
    resources:
      {{- toYaml $own.resources | nindent 6 }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      - {name: tls, mountPath: /etc/inferno/tls, readOnly: true}
      {{- range .mounts }}
      - {{ toJson . }}
      {{- end }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
  - name: tls
    secret: {secretName: {{ include "inferno.name" . }}-tls}
  {{- range .volumes }}
  - {{ toJson . }}
  {{- end }}
{{- end -}}

{{- define "inferno.service" -}}
{{- $root := .root -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "inferno.serviceName" . }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "inferno.labels" . | nindent 4 }}
  {{- if eq (include "inferno.tlsMode" $root) "openshift" }}
  annotations:
    service.beta.openshift.io/serving-cert-secret-name: {{ include "inferno.name" . }}-tls
  {{- end }}
spec:
  type: ClusterIP
  selector:
    {{- include "inferno.selectorLabels" . | nindent 4 }}
  ports:
    - name: https
      port: {{ include "inferno.port" . }}
      targetPort: https
      protocol: TCP
{{- end -}}

{{- define "inferno.disruptionBudget" -}}
{{- if .root.Values.podDisruptionBudget.enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "inferno.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "inferno.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "inferno.selectorLabels" . | nindent 6 }}
{{- end -}}
{{- end -}}
