{{- define "app.name" -}}
{{- default .Chart.name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- define "app.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.name .Values.nameOverride -}}
{{- if contains $name .Release.name -}}
{{- .Release.name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- define "app.selector" -}}
app.kubernetes.io/name: {{ include "app.name" . }}
app.kubernetes.io/instance: {{ .Release.name }}
{{- end -}}
{{- define "app.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.name .Chart.version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "app.selector" . }}
{{- if .Chart.appVersion }}
app.kubernetes.io/version: {{ .Chart.appVersion | quote }}
{{- end }}
app.kubernetes.io/managed-by: {{ .Release.service }}
{{- range $key, $value := .Values.commonLabels }}
{{ $key }}: {{ $value | quote }}
{{- end }}
{{- end -}}
{{- $root := . -}}
{{- range $index, $component := .Values.components }}
{{- $name := printf "%s-%s" (include "app.fullname" $root) $component.name }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.namespace }}
  labels:
    {{- include "app.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $component.name }}
  {{- with (merge (dict) (default (dict) $component.annotations) $root.Values.annotations) }}
  annotations:
    {{- range $key, $value := . }}
    {{ $key }}: {{ tpl $value $root | quote }}
    {{- end }}
  {{- end }}
spec:
  {{- if not $component.autoscaling }}
  replicas: {{ default 1 $component.replicas | int }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "app.selector" $root | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "app.labels" $root | nindent 8 }}
      annotations:
        checksum/config: {{ $component.config | toJson | sha256sum }}
    spec:
      {{- if and $component.serviceAccount (ne $component.serviceAccount "default") }}
      serviceAccountName: {{ $component.serviceAccount }}
      {{- end }}
      containers:
        - name: {{ $component.name }}
          image: "{{ $root.Values.image.registry }}/{{ $component.image.repository }}:{{ $component.image.tag | default $root.Chart.appVersion }}"
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          {{- if $component.args }}
          args:
            {{- range $component.args }}
            - {{ . | quote }}
            {{- end }}
          {{- end }}
          env:
            {{- range $key, $value := $component.env }}
            - name: {{ $key | upper | replace "-" "_" }}
              value: {{ $value | quote }}
            {{- end }}
          ports:
            {{- range $i, $port := $component.ports }}
            - name: {{ $port.name | default (printf "port-%d" $i) }}
              containerPort: {{ $port.port | int }}
              protocol: {{ $port.protocol | default "TCP" }}
            {{- else }}
            []
            {{- end }}
          {{- if and $component.probe (or $component.probe.http $component.probe.tcp) }}
          livenessProbe:
            {{- if $component.probe.http }}
            httpGet:
              path: {{ $component.probe.http.path | default "/" }}
              port: {{ (first $component.ports).port }}
            {{- else }}
            tcpSocket:
              port: {{ $component.probe.tcp }}
            {{- end }}
          {{- end }}
          resources: {{ toJson $component.resources }}
{{- if and (hasKey $component "config") (not (empty $component.config)) }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $name }}-config
  labels:
    {{- include "app.labels" $root | nindent 4 }}
data:
  {{- range $file := keys $component.config | sortAlpha }}
  {{ $file }}: |
    {{- get $component.config $file | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
