//! Manifests to measure with; shared with the peers.

use std::fmt::Write as _;

/// Makes the manifests of `apps` small applications: a Deployment, a Service and a ConfigMap each.
pub(crate) fn workloads(apps: usize) -> String {
    let mut text = String::new();
    for i in 0..apps {
        let team = i % 17;
        write!(
            text,
            "---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{i}
  namespace: team-{team}
  labels:
    app.kubernetes.io/name: app-{i}
    app.kubernetes.io/part-of: \"suite\"
  annotations:
    prometheus.io/scrape: \"true\"
    prometheus.io/port: '9090'
spec:
  replicas: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: app-{i}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: app-{i}
    spec:
      serviceAccountName: app-{i}
      containers:
      - name: main
        image: registry.example.com/team-{team}/app-{i}:v1.{i}.0
        args: [\"--listen=:8080\", \"--log-level=info\"]
        ports:
        - containerPort: 8080
          name: http
        env:
        - name: POD_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        - name: MODE
          value: \"on\"
        resources:
          requests: {{cpu: 100m, memory: 128Mi}}
          limits:
            memory: 256Mi
        readinessProbe:
          httpGet: {{path: /healthz, port: http}}
          initialDelaySeconds: 5
        volumeMounts:
        - name: config
          mountPath: /etc/app
      volumes:
      - name: config
        configMap:
          name: app-{i}
          defaultMode: 0644
---
apiVersion: v1
kind: Service
metadata:
  name: app-{i}
  namespace: team-{team}
spec:
  selector:
    app.kubernetes.io/name: app-{i}
  ports:
  - name: http
    port: 80
    targetPort: http
    protocol: TCP
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: app-{i}
  namespace: team-{team}
data:
  LOG_LEVEL: info
  config.yaml: |
    server:
      port: 8080
      timeout: 30s
    features:
      - a
      - b
  # the limit of the queue
  MAX: \"{i}\"
"
        )
        .expect("a string takes any text");
    }
    text
}
