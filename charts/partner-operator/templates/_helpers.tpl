{{/* The name that all objects' names begin with. */}}
{{- define "partner-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 47 | trimSuffix "-" }}
{{- else if contains .Chart.Name .Release.Name }}
{{- .Release.Name | replace "." "-" | trunc 47 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name .Chart.Name | replace "." "-" | trunc 47 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* The labels of every object. */}}
{{- define "partner-operator.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" "partner-operator"
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") }}
{{- merge (dict) (.Values.commonLabels | default dict) $own | toYaml }}
{{- end }}

{{/* The labels that Pods of a component are selected by: (list "manager" .) */}}
{{- define "partner-operator.selector" -}}
app.kubernetes.io/name: partner-operator
app.kubernetes.io/component: {{ index . 0 }}
{{- end }}

{{- define "partner-operator.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The name of a component's service account: (list "manager" .) */}}
{{- define "partner-operator.serviceAccount" -}}
{{- $component := index . 0 }}{{- $root := index . 1 }}
{{- (index $root.Values $component).serviceAccount.name | default (printf "%s-%s" (include "partner-operator.fullname" $root) $component) }}
{{- end }}

{{/* The arguments of a component, as a JSON list: its own, but for flags that the user gives in extraArgs: (list own extra) */}}
{{- define "partner-operator.args" -}}
{{- $extra := index . 1 | default list }}
{{- $args := list }}
{{- range $own := index . 0 }}
{{- $flag := splitList "=" $own | first }}
{{- $given := false }}
{{- range $extra }}
{{- if eq $flag (splitList "=" . | first) }}
{{- $given = true }}
{{- end }}
{{- end }}
{{- if not $given }}
{{- /* Kubernetes would take $(NAME) for a variable, and $$ for $. */}}
{{- $args = append $args (replace "$" "$$" $own) }}
{{- end }}
{{- end }}
{{- concat $args $extra | toJson }}
{{- end }}

{{/* The environment of a component: the chart's, but for a variable that the user gives, and the user's: extraEnv */}}
{{- define "partner-operator.env" -}}
{{- $env := . | default list }}
{{- $given := false }}
{{- range $env }}
{{- if eq .name "GOMEMLIMIT" }}
{{- $given = true }}
{{- end }}
{{- end }}
{{- if not $given }}
{{- $env = prepend $env (dict "name" "GOMEMLIMIT" "valueFrom" (dict "resourceFieldRef" (dict "resource" "limits.memory"))) }}
{{- end }}
{{- toYaml $env }}
{{- end }}

{{/* host:port of the widget server */}}
{{- define "partner-operator.widgetBackend" -}}
{{ include "partner-operator.fullname" . }}-widget.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}:8082
{{- end }}

{{/* The namespace of the canary that shows whether NetworkPolicies are enforced */}}
{{- define "partner-operator.canaryNamespace" -}}
{{ include "partner-operator.fullname" . }}-canary
{{- end }}

{{/* One object that a file of the chart holds, with the release's labels: (list object .) */}}
{{- define "partner-operator.object" -}}
{{- $object := index . 0 }}{{- $root := index . 1 }}
{{- $labels := include "partner-operator.labels" $root | fromYaml }}
{{- $_ := set $object.metadata "labels" (merge $labels ($object.metadata.labels | default dict)) }}
---
{{ toYaml $object }}
{{- end }}

{{/* What a flag is set to by extraArgs, or by its variable in extraEnv; empty if by neither: (list flag values) */}}
{{- define "partner-operator.given" -}}
{{- $flag := index . 0 }}{{- $values := index . 1 }}{{- $given := "" }}
{{- $variable := printf "PARTNER_OPERATOR_%s" ($flag | upper | replace "-" "_") }}
{{- range $values.extraEnv }}
{{- if eq .name $variable }}
{{- $given = .value | default "" | toString }}
{{- end }}
{{- end }}
{{- range $values.extraArgs }}
{{- if hasPrefix (printf "--%s=" $flag) . }}
{{- $given = trimPrefix (printf "--%s=" $flag) . }}
{{- end }}
{{- end }}
{{- $given }}
{{- end }}

{{/* The ports of DNS servers, that of the flag --dns-server among them: (list values .) */}}
{{- define "partner-operator.dnsPorts" -}}
{{- $root := index . 1 }}
{{- $ports := $root.Values.networkPolicy.dnsPorts }}
{{- with regexFind "^([^:]*|\\[.*\\]):[0-9]+$" (include "partner-operator.given" (list "dns-server" (index . 0))) }}
{{- $ports = append $ports (regexFind "[0-9]+$" . | int) }}
{{- end }}
{{- uniq $ports | toJson }}
{{- end }}

{{/* The Deployment of a component. */}}
{{- define "partner-operator.deployment" -}}
{{- $component := .component }}{{- $root := .root }}
{{- $values := index $root.Values $component }}
{{- $name := printf "%s-%s" (include "partner-operator.fullname" $root) $component }}
{{- $args := .args }}
{{- if and (hasKey $values "shutdownDelaySeconds") (ne (int $values.shutdownDelaySeconds) 5) }}
{{- $args = append $args (printf "--shutdown-delay=%ds" (int $values.shutdownDelaySeconds)) }}
{{- end }}
{{- if $values.caConfigMap }}
{{- $args = append $args "--ca-file=/etc/partner-operator/ca/ca.crt" }}
{{- end }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace | quote }}
  labels:
    {{- include "partner-operator.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
spec:
  replicas: {{ if hasKey $values "replicas" }}{{ $values.replicas }}{{ else }}1{{ end }}
  selector:
    matchLabels:
      {{- include "partner-operator.selector" (list $component) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- with $values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- include "partner-operator.selector" (list $component) | nindent 8 }}
      {{- with $values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "partner-operator.serviceAccount" (list $component $root) }}
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- range uniq . }}
        - name: {{ . | quote }}
        {{- end }}
      {{- end }}
      {{- with $root.Values.priorityClassName }}
      priorityClassName: {{ . | quote }}
      {{- end }}
      terminationGracePeriodSeconds: {{ add 25 ($values.shutdownDelaySeconds | default 0) }}
      securityContext:
        runAsNonRoot: true
        seccompProfile:
          type: RuntimeDefault
      {{- with $values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      topologySpreadConstraints:
        {{- if $values.topologySpreadConstraints }}
        {{- toYaml $values.topologySpreadConstraints | nindent 8 }}
        {{- else }}
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "partner-operator.selector" (list $component) | nindent 14 }}
          matchLabelKeys: [pod-template-hash]
        {{- end }}
      containers:
        - name: {{ $component }}
          image: {{ include "partner-operator.image" $root | quote }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args:
            - {{ $component }}
            {{- range include "partner-operator.args" (list $args $values.extraArgs) | fromJsonArray }}
            - {{ . | toJson }}
            {{- end }}
          env:
            {{- include "partner-operator.env" $values.extraEnv | nindent 12 }}
          ports:
            {{- range .ports }}
            - name: {{ .name }}
              containerPort: {{ .port }}
            {{- end }}
          startupProbe:
            httpGet:
              path: /healthz
              port: health
            timeoutSeconds: 5
            periodSeconds: 2
            failureThreshold: 300
          livenessProbe:
            httpGet:
              path: /healthz
              port: health
            timeoutSeconds: 5
          readinessProbe:
            httpGet:
              path: /readyz
              port: health
            timeoutSeconds: 5
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          {{- if $values.caConfigMap }}
          volumeMounts:
            - name: ca
              mountPath: /etc/partner-operator/ca
              readOnly: true
          {{- end }}
      {{- with $values.caConfigMap }}
      volumes:
        - name: ca
          configMap:
            name: {{ . }}
      {{- end }}
{{- end }}

{{/* The Deployment, the service account, the disruption budget and the services of a component. */}}
{{- define "partner-operator.component" -}}
{{- $component := .component }}{{- $root := .root }}
{{- $values := index $root.Values $component }}
{{- $name := printf "%s-%s" (include "partner-operator.fullname" $root) $component }}
{{- if gt (int $values.shards) 1 }}{{/* of earlier versions, whose default of 1 helm upgrade --reuse-values keeps */}}
{{- fail (printf "%s.shards: partners are not divided any more, since one process has them all: remove the value" $component) }}
{{- end }}
{{- include "partner-operator.deployment" . }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "partner-operator.serviceAccount" (list $component $root) }}
  namespace: {{ $root.Release.Namespace | quote }}
  labels:
    {{- include "partner-operator.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
  {{- with $values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $name }}
  labels:
    {{- include "partner-operator.labels" $root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "partner-operator.serviceAccount" (list $component $root) }}
    namespace: {{ $root.Release.Namespace | quote }}
{{- range .ports }}
{{- if hasKey . "service" }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}{{ .service }}
  namespace: {{ $root.Release.Namespace | quote }}
  labels:
    {{- include "partner-operator.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
spec:
  selector:
    {{- include "partner-operator.selector" (list $component) | nindent 4 }}
  ports:
    - name: {{ .name }}
      port: {{ .port }}
      targetPort: {{ .name }}
{{- end }}
{{- end }}
{{- if dig "podDisruptionBudget" "enabled" false $values }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace | quote }}
  labels:
    {{- include "partner-operator.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "partner-operator.selector" (list $component) | nindent 6 }}
{{- end }}
{{- if $root.Values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace | quote }}
  labels:
    {{- include "partner-operator.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
spec:
  podSelector:
    matchLabels:
      {{- include "partner-operator.selector" (list $component) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- if eq $component "widget" }}
    - from:
        - namespaceSelector:
            matchExpressions:
              - key: kubernetes.io/metadata.name
                operator: In
                values:
                  {{- toYaml $root.Values.proxyNamespaces | nindent 18 }}
      ports:
        - {port: http, protocol: TCP}
    {{- end }}
    - ports:
        - {port: metrics, protocol: TCP}
  egress:
    - ports:
        {{- range include "partner-operator.dnsPorts" (list $values $root) | fromJsonArray }}
        - {port: {{ . }}, protocol: UDP}
        - {port: {{ . }}, protocol: TCP}
        {{- end }}
    - ports:
        {{- range $root.Values.networkPolicy.apiServerPorts }}
        - {port: {{ . }}, protocol: TCP}
        {{- end }}
    {{- if eq $component "probe" }}
    - to:
        - namespaceSelector:
            matchExpressions:
              - key: kubernetes.io/metadata.name
                operator: In
                values:
                  {{- toYaml $root.Values.proxyNamespaces | nindent 18 }}
    {{- if $values.isolation.enabled }}
    - to:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: {{ include "partner-operator.canaryNamespace" $root }}
      ports:
        - {port: 8080, protocol: TCP}
        - {port: 8081, protocol: TCP}
    {{- end }}
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
            except: [0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 168.63.129.16/32, 169.254.0.0/16, 172.16.0.0/12, 192.0.0.0/24, 192.168.0.0/16, 198.18.0.0/15, 224.0.0.0/3]
        - ipBlock:
            cidr: 2000::/3
            except: ["2001::/23", "2002::/16"]
        - ipBlock: # what DNS64 makes of IPv4 addresses
            cidr: 64:ff9b::/96
            except: ["64:ff9b::/104", "64:ff9b::a00:0/104", "64:ff9b::6440:0/106", "64:ff9b::7f00:0/104", "64:ff9b::a83f:8110/128", "64:ff9b::a9fe:0/112", "64:ff9b::ac10:0/108", "64:ff9b::c000:0/120", "64:ff9b::c0a8:0/112", "64:ff9b::c612:0/111", "64:ff9b::e000:0/99"]
        {{- range $values.allowedTargets }}
        - ipBlock:
            cidr: {{ . }}
        {{- end }}
      ports:
        - {port: {{ include "partner-operator.given" (list "http-port" $values) | default 80 }}, protocol: TCP}
        - {port: {{ include "partner-operator.given" (list "https-port" $values) | default 443 }}, protocol: TCP}
    {{- end }}
{{- end }}
{{- end }}
