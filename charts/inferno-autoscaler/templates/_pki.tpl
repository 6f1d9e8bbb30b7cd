{{/*
Certificates. `inferno.certificates` lists the Secrets that are needed: key, name, common name, DNS names, and
whether it is for a server or a client.
*/}}
{{- define "inferno.certificates" -}}
{{- $root := . -}}
{{- $mode := include "inferno.tlsMode" . -}}
{{- $clientMode := include "inferno.clientTlsMode" . -}}
{{- range $service := list "actuator" "collector" "optimizer" }}
{{- $of := dict "root" $root "service" $service }}
{{- $host := include "inferno.serviceName" $of }}
{{- $local := printf "%s.%s.svc" $host $root.Release.Namespace }}
- secret: {{ include "inferno.name" $of }}-tls
  mode: {{ $mode }}
  service: {{ $service }}
  usage: server auth
  commonName: {{ $host | trunc 64 }}
  dnsNames: [{{ $host }}, {{ $host }}.{{ $root.Release.Namespace }}, {{ $local }}, {{ $local }}.cluster.local]
{{- end }}
{{- if include "inferno.clientCertificates" . }}
- secret: {{ include "inferno.name" (dict "root" . "service" "actuator") }}-client-tls
  mode: {{ $clientMode }}
  service: actuator
  usage: client auth
  commonName: {{ include "inferno.name" (dict "root" . "service" "actuator") }}
  dnsNames: [{{ include "inferno.name" (dict "root" . "service" "actuator") }}]
{{- if include "inferno.serviceMonitors" . }}
- secret: {{ include "inferno.fullname" . }}-metrics-client-tls
  mode: {{ $clientMode }}
  service: metrics
  usage: client auth
  commonName: {{ include "inferno.fullname" . }}-metrics-reader
  dnsNames: [{{ include "inferno.fullname" . }}-metrics-reader]
{{- end }}
{{- end }}
{{- end -}}

{{/*
The certificates that helm makes, once per rendering: {secret: {tls.crt, tls.key, ca.crt}} and renewAfter. What
the cluster has is kept until `renewDays` before its end; then all are made anew, and the authority before stays
trusted beside the new one, so that files which arrive one after the other agree. `helm template` knows no
cluster: it makes new ones each time.
*/}}
{{- define "inferno.selfSigned" -}}
{{- if not (hasKey .Values "_selfSigned") -}}
{{- $root := . -}}
{{- $own := .Values.tls.selfSigned -}}
{{- $kept := dict -}}
{{- $authority := "" -}}
{{- $complete := true -}}
{{- $renewAfter := "" -}}
{{- $wanted := list -}}
{{- range (include "inferno.certificates" . | fromYamlArray) -}}
{{- if eq .mode "self-signed" -}}
{{- $wanted = append $wanted . -}}
{{- $found := lookup "v1" "Secret" $root.Release.Namespace .secret -}}
{{- $annotations := dig "metadata" "annotations" dict ($found | default dict) | default dict -}}
{{- $until := get $annotations "inferno.llmd.ai/renew-after" -}}
{{- $sameNames := eq (get $annotations "inferno.llmd.ai/dns-names") (join "," .dnsNames) -}}
{{- if and $found $until $sameNames (gt (int64 $until) (now | unixEpoch | int64)) -}}
{{- $_ := set $kept .secret $found.data -}}
{{- $renewAfter = $until -}}
{{- else -}}
{{- $complete = false -}}
{{- end -}}
{{- if and $found (hasKey ($found.data | default dict) "ca.crt") -}}
{{- $authority = regexFind "(?s)-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----" (index $found.data "ca.crt" | b64dec) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not $complete -}}
{{- $ca := genCA (printf "%s-ca" (include "inferno.fullname" .)) (int $own.days) -}}
{{- $bundle := ternary $ca.Cert (printf "%s%s\n" $ca.Cert $authority) (eq $authority "") -}}
{{- $kept = dict -}}
{{- range $wanted -}}
{{- $pair := genSignedCert .commonName nil .dnsNames (int $own.days) $ca -}}
{{- $_ := set $kept .secret (dict "tls.crt" ($pair.Cert | b64enc) "tls.key" ($pair.Key | b64enc) "ca.crt" ($bundle | b64enc)) -}}
{{- end -}}
{{- $lasting := mul 86400 (sub (int64 $own.days) (int64 $own.renewDays)) -}}
{{- $renewAfter = toString (add (now | unixEpoch | int64) $lasting) -}}
{{- end -}}
{{- $_ := set .Values "_selfSigned" (dict "secrets" $kept "renewAfter" $renewAfter) -}}
{{- end -}}
{{- toYaml (get .Values "_selfSigned") -}}
{{- end -}}
