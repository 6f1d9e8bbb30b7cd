{{/*
Rights of one account in three scopes: `namespaced` (everywhere, or in watchNamespaces only), `cluster` (what has
no namespace) and `own` (this namespace).
*/}}
{{- define "inferno.reviews" -}}
# Who asks, and whether they may.
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end -}}

{{- define "inferno.rights.actuator" -}}
namespaced:
  - apiGroups: [llmd.ai]
    resources: [variantautoscalings]
    verbs: [get, list, watch]
  - apiGroups: [llmd.ai]
    resources: [variantautoscalings/status]
    verbs: [patch]
  # Whether an HPA follows the desired replicas, and what keeps it from that.
  - apiGroups: [autoscaling]
    resources: [horizontalpodautoscalers]
    verbs: [list, watch]
  - apiGroups: [""]
    resources: [events]
    verbs: [create, patch]
  {{- if .Values.actuator.ownerReferences }}
  # Owners of VariantAutoscalings: their target and their namespace. OpenShift lets only those change owners
  # who might delete the object.
  - apiGroups: [llmd.ai]
    resources: [variantautoscalings]
    verbs: [patch{{ if include "inferno.openshift" . }}, delete{{ end }}]
  - apiGroups: [""]
    resources: [namespaces]
    verbs: [get]
  {{- end }}
  {{- if or .Values.actuator.directScaling.enabled .Values.actuator.ownerReferences }}
  {{- range .Values.actuator.directScaling.resources }}
  - apiGroups: [{{ .apiGroup | quote }}]
    resources: [{{ .resource }}/scale]
    verbs: [get{{ if $.Values.actuator.directScaling.enabled }}, patch{{ end }}]
  {{- end }}
  {{- end }}
cluster:
  {{- if .Values.authorization.enabled }}
  {{- include "inferno.reviews" . | nindent 2 }}
  # Asking the collector.
  - nonResourceURLs: [/snapshot]
    verbs: [get]
  {{- end }}
own:
  - apiGroups: [""]
    resources: [configmaps]
    verbs: [list, watch]
  # The Lease of the one that runs the loop. What is created cannot be named in advance.
  - apiGroups: [coordination.k8s.io]
    resources: [leases]
    verbs: [create]
  - apiGroups: [coordination.k8s.io]
    resources: [leases]
    resourceNames: [inferno-autoscaler-controller-manager]
    verbs: [get, update]
{{- end -}}

{{- define "inferno.rights.collector" -}}
namespaced:
  # Which pods, Services and scaled objects belong to a variant, and the GPUs in use.
  - apiGroups: [""]
    resources: [pods, services]
    verbs: [list, watch]
  - apiGroups: [apps]
    resources: [deployments, statefulsets]
    verbs: [list, watch]
  - apiGroups: [leaderworkerset.x-k8s.io]
    resources: [leaderworkersets]
    verbs: [list, watch]
  - apiGroups: [llmd.ai]
    resources: [variantautoscalings]
    verbs: [list, watch]
  - apiGroups: [resource.k8s.io]
    resources: [resourceclaims]
    verbs: [list, watch]
cluster:
  # The GPUs that there are, also those of drivers of dynamic resource allocation.
  - apiGroups: [""]
    resources: [nodes]
    verbs: [list, watch]
  - apiGroups: [resource.k8s.io]
    resources: [resourceslices]
    verbs: [list, watch]
  {{- if .Values.authorization.enabled }}
  {{- include "inferno.reviews" . | nindent 2 }}
  {{- end }}
own:
  # Accelerator costs, service classes, and where Prometheus is.
  - apiGroups: [""]
    resources: [configmaps]
    verbs: [list, watch]
{{- end -}}

{{- define "inferno.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "inferno.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "inferno.labels" . | nindent 4 }}
  {{- with (get .root.Values .service).serviceAccountAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}

{{/*
A role and its binding. Called with (dict "root" $ "name" N "namespace" "" or NS "labels" TEXT "rules" TEXT
"subjects" [...]); without a namespace they are the cluster's.
*/}}
{{- define "inferno.grant" -}}
{{- $kind := ternary "Role" "ClusterRole" (ne .namespace "") }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- .labels | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
{{ include "inferno.binding" (merge (dict "kind" $kind "role" .name) .) }}
{{- end -}}

{{- define "inferno.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "RoleBinding" "ClusterRoleBinding" (ne .namespace "") }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- .labels | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .role }}
subjects:
  {{- range .subjects }}
  - kind: {{ default "ServiceAccount" .kind }}
    name: {{ .name | quote }}
    {{- if ne (default "ServiceAccount" .kind) "ServiceAccount" }}
    apiGroup: rbac.authorization.k8s.io
    {{- else }}
    namespace: {{ .namespace }}
    {{- end }}
  {{- end }}
{{- end -}}

{{/* Everything that one service's account may do. Called with (dict "root" $ "service" S). */}}
{{- define "inferno.rights" -}}
{{- $root := .root -}}
{{- $name := include "inferno.name" . -}}
{{- $labels := include "inferno.labels" . -}}
{{- $rights := include (printf "inferno.rights.%s" .service) $root | fromYaml -}}
{{- $subjects := list (dict "name" $name "namespace" $root.Release.Namespace) -}}
{{- $grant := dict "root" $root "name" $name "labels" $labels "subjects" $subjects -}}
{{- $watched := $root.Values.watchNamespaces -}}
{{- $everywhere := $rights.cluster | default list -}}
{{- if not $watched -}}{{- $everywhere = concat $rights.namespaced $everywhere -}}{{- end -}}
{{- if $everywhere -}}
{{- include "inferno.grant" (merge (dict "namespace" "" "rules" (toYaml $everywhere)) $grant) }}
{{- end }}
{{- range $namespace := $watched }}
{{- include "inferno.grant" (merge (dict "namespace" $namespace "name" (printf "%s-watch" $name) "rules" (toYaml $rights.namespaced)) $grant) }}
{{- end }}
{{- include "inferno.grant" (merge (dict "namespace" $root.Release.Namespace "rules" (toYaml $rights.own)) $grant) }}
{{- end -}}
