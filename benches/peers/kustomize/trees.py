"""Makes random trees of kustomizations: every field, every kind that a built-in reference names, and YAML as people
write it."""

import string

NAMES = ["web", "db", "app", "cfg", "sa1", "x"]
NAMESPACES = [None, None, None, "ns1", "ns2", "default", "kube-system"]
IMAGES = [
    "nginx", "nginx:1.7", "nginx@sha256:0123456789012345678901234567890123456789012345678901234567890123",
    "registry.example.com:5000/team/web:v1", "gcr.io/p/db", "busybox:1", "web", "my-nginx:1", "nginx:1.7@sha256:01",
    "docker.io/library/nginx:1.2",
]
ODD = [
    "yes", "no", "on", "off", "y", "n", "null", "~", "", "true", "TRUE", "False", "012", "0o14", "0x1F", "1e3", "1.50",
    "1_000", ".5", ".inf", "-.INF", ".nan", "+1", "-0", "2001-12-14", "2001-12-14t21:59:43.10-05:00", "12:30:45",
    "\"5\"", "'5'", "\"yes\"", "'it''s'", "\"a\\tb\"", "\"\\u00e9\\n\"", "\"\"", "''", "!!str 5", "!!int \"5\"", "1e400",
    "9223372036854775808", "-9223372036854775809", "18446744073709551616", "0.1", "1.0", "100000000000000000000.0",
    "1E+5", "\"multi\\nline\"", "\"trailing \"", "' lead'", "\"# no comment\"", "'a: b'", "\"- x\"", "'{x}'", "\"&a\"",
    "'*a'", "'!t'", "'%x'", "'@x'", "'`x`'", "a#b", "a:b", "http://x/y?z=1", "é", "日本語", "😀", "\"\\x07\"",
    "\"\\\\\"", "'\"'", "a'b", "=", "<<", "\"<<\"", "'---'", "...", "0", "1", "-1", "0b11", "0777", "1,000", "\"\\0\"",
    "'null'", "'~'", "'true'", "\"0x1F\"", "'1e3'", "'.5'", "\"2001-12-14\"", "'1_000'", "\"012\"", "'0o14'", "\"=\"", "a\tb",
    "\"a\\u2028b\"", "\"\\ufeff\"", "'a  b'", "\"a\\rb\"", "? x", "\"? x\"", "'?'", "\"-\"", "':'", "\"a:\"", "'a #b'", "\"\\/\"",
]
LONG = "the quick brown fox jumps over the lazy dog " * 6


class Raw(str):
    """A scalar that is written as it stands."""


class Maker:
    def __init__(self, rng):
        self.r = rng
        self.odd = rng.random() < 0.35
        self.style = rng.choice(["block", "block", "block", "mixed", "flow"])
        self.wide = rng.random() < 0.3
        self.comments = rng.random() < 0.15
        self.anchors = rng.random() < 0.08
        self.anchor = 0
        self.kustomizations = {}

    def chance(self, p):
        return self.r.random() < p

    def pick(self, items):
        return self.r.choice(items)

    def some(self, items, low=0, high=3):
        n = min(len(items), self.r.randint(low, high))
        return self.r.sample(items, n)

    # Scalars.

    def word(self):
        return "".join(self.r.choice(string.ascii_lowercase) for _ in range(self.r.randint(1, 6)))

    def value(self):
        if self.odd and self.chance(0.5):
            return Raw(self.pick(ODD))
        if self.odd and self.chance(0.1):
            return self.pick([LONG, LONG + "\n", "a\nb\n", "a\n\n  b\nc", "\nx\n", "x\n\n", " a\nb\n", "a \nb\n", "# c\nx\n",
                              "k: v\nl:\n- 1\n", "a\tb\nc\n", "{\"a\": 1}\n"])
        return self.pick(["info", "debug", "a=b", "x", "12", "true", "some text here", "$(VAR)", "$(WEB_NAME)", "a,b"])

    def entries(self, low=0, high=3, keys=None):
        keys = keys or ["app", "tier", "env", "a.b/c", "LEVEL", "z", "key with blank", "1", "y", "file.yaml"]
        if not self.odd:
            keys = [k for k in keys if k not in ("key with blank", "1", "y")]
        return {k: self.value() for k in self.some(keys, low, high)}

    def labels(self):
        keys = ["app", "tier", "env", "example.com/x"]
        return {k: self.pick(["web", "db", "v1", "x"]) if not self.odd or self.chance(0.7) else Raw(self.pick(ODD))
                for k in self.some(keys, 0, 3)}

    # Writing.

    def scalar(self, v, indent):
        if isinstance(v, Raw):
            return str(v)
        if v is None:
            return self.pick(["null", "~", ""])
        if v is True or v is False:
            return "true" if v else "false"
        if isinstance(v, (int, float)):
            return str(v)
        if "\n" in v:
            first = v.split("\n")[0]
            if not v.strip() or first.startswith(" ") or "\t" in v and self.chance(0.5):
                return "\"" + v.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n").replace("\t", "\\t") + "\""
            head = self.pick(["|", "|", "|", ">"])
            if not v.endswith("\n"):
                head += "-"
            elif v.endswith("\n\n"):
                head += "+"
            pad = " " * (indent + 2)
            lines = v.rstrip("\n").split("\n") + [""] * (len(v) - len(v.rstrip("\n")) - 1)
            return head + "\n" + "\n".join(pad + line if line else "" for line in lines)
        plain = v and v[0].isalpha() and all(c.isalnum() or c in "-_./ $()=" for c in v) and v.strip() == v
        plain = plain and v.lower() not in ("yes", "no", "true", "false", "null", "on", "off", "y", "n")
        if plain and not self.chance(0.1):
            return v
        if "'" in v or self.chance(0.5):
            return "\"" + v.replace("\\", "\\\\").replace("\"", "\\\"").replace("\t", "\\t") + "\""
        return "'" + v + "'"

    def key(self, k):
        if isinstance(k, Raw):
            return str(k)
        if k and all(c.isalnum() or c in "-_./$" for c in k) and not (self.odd and self.chance(0.05)):
            return k
        return "\"" + k + "\""

    def flow(self, v):
        if isinstance(v, dict):
            return "{" + ", ".join(self.key(k) + ": " + self.flow(x) for k, x in v.items()) + "}"
        if isinstance(v, list):
            return "[" + ", ".join(self.flow(x) for x in v) + "]"
        if isinstance(v, Raw):
            text = str(v)
            return text if text and not any(c in text for c in ",[]{}") and not text.startswith("?") or text[:1] in "\"'" and text else "\"q\""
        if isinstance(v, str):
            return "\"" + v.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n").replace("\t", "\\t") + "\""
        return self.scalar(v, 0) or "null"

    def flows(self, v):
        p = {"block": 0.02, "mixed": 0.25, "flow": 0.9}[self.style]
        return not v or self.chance(p)

    def comment(self, indent):
        if self.comments and self.chance(0.15):
            return " " * indent + "# " + self.word() + "\n"
        return ""

    def tail(self):
        return "  # " + self.word() if self.comments and self.chance(0.1) else ""

    def write(self, v, indent=0):
        """Writes a map or list as block; ends in a line feed."""
        pad = " " * indent
        out = []
        if isinstance(v, dict):
            for k, x in v.items():
                out.append(self.comment(indent))
                head = pad + self.key(k) + ":"
                if isinstance(x, (dict, list)):
                    if self.flows(x):
                        out.append(head + " " + self.flow(x) + self.tail() + "\n")
                    else:
                        mark = ""
                        if self.anchors and self.chance(0.1):
                            self.anchor += 1
                            mark = f" &a{self.anchor}"
                        deeper = 0 if isinstance(x, list) and not self.wide else 2
                        out.append(head + mark + self.tail() + "\n" + self.write(x, indent + deeper))
                else:
                    text = self.scalar(x, indent)
                    tail = "" if "\n" in text else self.tail()
                    out.append(head + (" " + text if text else "") + tail + "\n")
        else:
            for x in v:
                out.append(self.comment(indent))
                if isinstance(x, (dict, list)) and not self.flows(x):
                    inner = self.write(x, indent + 2)
                    out.append(pad + "- " + inner[indent + 2:] if not inner.lstrip().startswith("#") else pad + "-\n" + inner)
                elif isinstance(x, (dict, list)):
                    out.append(pad + "- " + self.flow(x) + "\n")
                else:
                    text = self.scalar(x, indent)
                    out.append(pad + "-" + (" " + text if text else "") + "\n")
        return "".join(out)

    def document(self, v):
        first = self.anchor
        text = self.write(v)
        if self.anchor > first and self.chance(0.5) and self.style != "flow":
            text += f"extra: *a{self.r.randint(first + 1, self.anchor)}\n"
        return text

    # Resources.

    def meta(self, name=None, ns=True):
        meta = {"name": name or self.pick(NAMES)}
        if ns:
            namespace = self.pick(NAMESPACES)
            if namespace:
                meta["namespace"] = namespace
        if self.chance(0.3):
            meta["labels"] = self.labels()
        if self.chance(0.2):
            meta["annotations"] = self.entries(0, 2)
        if self.chance(0.02):
            meta.setdefault("annotations", {})["config.kubernetes.io/local-config"] = "true"
        items = list(meta.items())
        if self.chance(0.2):
            self.r.shuffle(items)
        return dict(items)

    def ref(self, ns=False):
        out = {"name": self.pick(NAMES)}
        if ns and self.chance(0.6):
            out["namespace"] = self.pick(["ns1", "ns2", "default"])
        return out

    def container(self, i):
        c = {"name": self.pick(["main", "side", "c"]) + (str(i) if i else ""), "image": self.pick(IMAGES)}
        if self.chance(0.3):
            c["env"] = [self.env() for _ in range(self.r.randint(0, 3))]
        if self.chance(0.2):
            c["envFrom"] = [self.pick([{"configMapRef": self.ref()}, {"secretRef": self.ref()}])]
        if self.chance(0.2):
            c["ports"] = [{"containerPort": self.pick([80, 8080, 443])} for _ in range(self.r.randint(1, 2))]
            if self.chance(0.4):
                c["ports"][0]["protocol"] = self.pick(["TCP", "UDP"])
        if self.chance(0.15):
            c["args"] = [self.value() for _ in range(self.r.randint(0, 3))]
        if self.chance(0.15):
            c["command"] = ["sh", "-c", self.value()]
        if self.chance(0.15):
            c["volumeMounts"] = [{"name": "v", "mountPath": self.pick(["/data", "/x", "$(VAR)"])}]
        if self.chance(0.1):
            c["resources"] = {"limits": {"cpu": self.pick(["1", 1, "500m", Raw("0.5")]), "memory": "1Gi"}}
        return c

    def env(self):
        e = {"name": self.pick(["A", "B", "LEVEL", "WEB_NAME"])}
        kind = self.r.randint(0, 4)
        if kind == 0:
            e["valueFrom"] = {"configMapKeyRef": {"name": self.pick(NAMES), "key": "k"}}
        elif kind == 1:
            e["valueFrom"] = {"secretKeyRef": {"name": self.pick(NAMES), "key": "k"}}
        elif kind == 2:
            e["valueFrom"] = {"fieldRef": {"fieldPath": "metadata.name"}}
        else:
            e["value"] = self.value()
        return e

    def pod(self):
        spec = {"containers": [self.container(i) for i in range(self.r.randint(1, 2))]}
        if self.chance(0.2):
            spec["initContainers"] = [self.container(0)]
        if self.chance(0.3):
            spec["serviceAccountName"] = self.pick(NAMES)
        if self.chance(0.1):
            spec["serviceAccount"] = self.pick(NAMES)
        if self.chance(0.3):
            spec["volumes"] = [self.volume(i) for i in range(self.r.randint(1, 3))]
        if self.chance(0.1):
            spec["imagePullSecrets"] = [self.ref()]
        if self.chance(0.1):
            spec["priorityClassName"] = self.pick(NAMES)
        if self.chance(0.05):
            spec["runtimeClassName"] = self.pick(NAMES)
        if self.chance(0.1):
            spec["tolerations"] = [{"key": self.word(), "operator": "Exists"}]
        if self.chance(0.1):
            spec["topologySpreadConstraints"] = [{"maxSkew": 1, "topologyKey": "zone", "labelSelector": {"matchLabels": self.labels()}}]
        if self.chance(0.1):
            term = {"labelSelector": {"matchLabels": self.labels()}, "topologyKey": "host"}
            spec["affinity"] = {self.pick(["podAffinity", "podAntiAffinity"]): {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
        if self.chance(0.05):
            spec["hostAliases"] = [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}]
        return spec

    def volume(self, i):
        name = self.pick(["v", "w", "data"]) + (str(i) if i else "")
        return dict({"name": name}, **self.pick([
            {"emptyDir": {}},
            {"configMap": self.ref()},
            {"secret": {"secretName": self.pick(NAMES)}},
            {"persistentVolumeClaim": {"claimName": self.pick(NAMES)}},
            {"projected": {"sources": [{"configMap": self.ref()}, {"secret": self.ref()}]}},
            {"csi": {"driver": "d", "nodePublishSecretRef": self.ref()}},
            {"nfs": {"server": "$(VAR)", "path": "/"}},
            {"image": {"reference": self.pick(IMAGES)}},
            {"azureFile": {"secretName": self.pick(NAMES), "shareName": "s"}},
            {"cephfs": {"secretRef": self.ref(), "monitors": ["a"]}},
        ]))

    def template(self):
        t = {"spec": self.pod()}
        if self.chance(0.7):
            t = {"metadata": {"labels": self.labels()}, "spec": t["spec"]}
            if self.chance(0.2):
                t["metadata"]["annotations"] = self.entries(0, 2)
        return t

    def workload(self, kind):
        api = {"ReplicationController": "v1", "Job": "batch/v1"}.get(kind, "apps/v1")
        if kind == "Deployment" and self.chance(0.05):
            api = self.pick(["extensions/v1beta1", "apps/v1beta1"])
        spec = {}
        if kind in ("Deployment", "StatefulSet", "ReplicaSet") and self.chance(0.5):
            spec["replicas"] = self.r.randint(0, 3)
        if kind == "ReplicationController":
            spec["selector"] = self.labels()
        elif kind != "Job" and self.chance(0.6):
            spec["selector"] = {"matchLabels": self.labels()}
        spec["template"] = self.template()
        if kind == "StatefulSet":
            spec["serviceName"] = self.pick(NAMES)
            if self.chance(0.5):
                spec["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": {"storageClassName": self.pick(NAMES), "accessModes": ["ReadWriteOnce"]}}]
        if kind == "Deployment" and self.chance(0.1):
            spec["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
        return {"apiVersion": api, "kind": kind, "metadata": self.meta(), "spec": spec}

    def resource(self):
        kind = self.pick([
            "Deployment", "Deployment", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod",
            "ReplicationController", "Service", "Service", "ConfigMap", "ConfigMap", "Secret", "ServiceAccount", "Ingress",
            "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "PersistentVolumeClaim", "PersistentVolume",
            "StorageClass", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "CustomResourceDefinition",
            "APIService", "Webhook", "Namespace", "PriorityClass", "Thing", "Thing", "PodTemplate", "IngressClass",
            "ValidatingAdmissionPolicy", "List", "ServiceMonitor", "Certificate", "Rollout", "Route", "LimitRange",
        ])
        name = self.pick(NAMES)
        if kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "ReplicationController"):
            return self.workload(kind)
        if kind == "CronJob":
            return {"apiVersion": self.pick(["batch/v1", "batch/v1beta1"]), "kind": kind, "metadata": self.meta(),
                    "spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": self.template()}}}}
        if kind == "Pod":
            return {"apiVersion": "v1", "kind": kind, "metadata": self.meta(), "spec": self.pod()}
        if kind == "PodTemplate":
            return {"apiVersion": "v1", "kind": kind, "metadata": self.meta(), "template": self.template()}
        if kind == "Service":
            spec = {"ports": [{"port": self.pick([80, 443]), "name": "p"}, {"port": 53, "protocol": "UDP"}][: self.r.randint(1, 2)]}
            if self.chance(0.7):
                spec["selector"] = self.labels()
            if self.chance(0.1):
                spec["type"] = "ExternalName"
                spec["externalName"] = "x.example.com"
            return {"apiVersion": "v1", "kind": kind, "metadata": self.meta(), "spec": spec}
        if kind == "ConfigMap":
            out = {"apiVersion": "v1", "kind": kind, "metadata": self.meta()}
            if self.chance(0.9):
                out["data"] = self.entries(0, 4)
            if self.chance(0.1):
                out["binaryData"] = {"b": "AAEC"}
            return out
        if kind == "Secret":
            return {"apiVersion": "v1", "kind": kind, "metadata": self.meta(), "type": "Opaque",
                    self.pick(["data", "stringData"]): self.entries(0, 2)}
        if kind == "ServiceAccount":
            return {"apiVersion": "v1", "kind": kind, "metadata": self.meta(), "imagePullSecrets": [self.ref()], "secrets": [self.ref()]}
        if kind == "Ingress":
            if self.chance(0.3):
                return {"apiVersion": "extensions/v1beta1", "kind": kind, "metadata": self.meta(),
                        "spec": {"backend": {"serviceName": name, "servicePort": 80},
                                 "rules": [{"host": "$(VAR)", "http": {"paths": [{"path": "/", "backend": {"serviceName": name, "servicePort": 80}}]}}]}}
            return {"apiVersion": "networking.k8s.io/v1", "kind": kind, "metadata": self.meta(),
                    "spec": {"ingressClassName": self.pick(NAMES), "tls": [{"secretName": self.pick(NAMES), "hosts": ["a"]}],
                             "defaultBackend": {"service": {"name": name, "port": {"number": 80}}},
                             "rules": [{"host": "h", "http": {"paths": [{"pathType": "Prefix", "path": "/", "backend": {"service": {"name": name, "port": {"number": 80}}}}]}}]}}
        if kind in ("Role", "ClusterRole"):
            rules = [{"apiGroups": [""], "resources": [self.pick(["configmaps", "secrets", "pods"])], "resourceNames": self.some(NAMES, 0, 2), "verbs": ["get"]}]
            if self.chance(0.3):
                rules.append({"nonResourceURLs": ["/x"], "verbs": ["get"]})
            out = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": self.meta(ns=kind == "Role"), "rules": rules}
            if kind == "ClusterRole" and self.chance(0.2):
                out["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": self.labels()}]}
            return out
        if kind in ("RoleBinding", "ClusterRoleBinding"):
            subjects = []
            for _ in range(self.r.randint(0, 3)):
                s = {"kind": self.pick(["ServiceAccount", "ServiceAccount", "User", "Group"]), "name": self.pick(NAMES + ["default"])}
                if s["kind"] != "ServiceAccount":
                    s["apiGroup"] = "rbac.authorization.k8s.io"
                elif self.chance(0.7):
                    s["namespace"] = self.pick(["ns1", "ns2", "default", "other"])
                subjects.append(s)
            out = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": self.meta(ns=kind == "RoleBinding"),
                   "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": self.pick(["Role", "ClusterRole"]), "name": name}}
            if subjects or self.chance(0.3):
                out["subjects"] = subjects
            return out
        if kind == "PersistentVolumeClaim":
            return {"apiVersion": "v1", "kind": kind, "metadata": self.meta(), "spec": {"volumeName": name, "storageClassName": self.pick(NAMES)}}
        if kind == "PersistentVolume":
            return {"apiVersion": "v1", "kind": kind, "metadata": self.meta(ns=False),
                    "spec": {"storageClassName": name, "nfs": {"server": "$(VAR)", "path": "/"}, "claimRef": self.ref(True)}}
        if kind == "StorageClass":
            return {"apiVersion": "storage.k8s.io/v1", "kind": kind, "metadata": self.meta(ns=False), "provisioner": "p"}
        if kind == "HorizontalPodAutoscaler":
            return {"apiVersion": self.pick(["autoscaling/v2", "autoscaling/v1", "autoscaling/v2beta2"]), "kind": kind, "metadata": self.meta(),
                    "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": self.pick(["Deployment", "StatefulSet", "ReplicaSet", "Rollout"]), "name": name}}}
        if kind == "PodDisruptionBudget":
            return {"apiVersion": "policy/v1", "kind": kind, "metadata": self.meta(), "spec": {"minAvailable": 1, "selector": {"matchLabels": self.labels()}}}
        if kind == "NetworkPolicy":
            return {"apiVersion": "networking.k8s.io/v1", "kind": kind, "metadata": self.meta(),
                    "spec": {"podSelector": {"matchLabels": self.labels()}, "ingress": [{"from": [{"podSelector": {"matchLabels": self.labels()}}]}],
                             "egress": [{"to": [{"podSelector": {}}]}]}}
        if kind == "CustomResourceDefinition":
            return {"apiVersion": "apiextensions.k8s.io/v1", "kind": kind, "metadata": {"name": "things.example.com"},
                    "spec": {"group": "example.com", "scope": "Namespaced",
                             "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"service": self.ref(True)}}}}}
        if kind == "APIService":
            return {"apiVersion": "apiregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "v1.example.com"},
                    "spec": {"service": self.ref(True), "group": "example.com"}}
        if kind == "Webhook":
            kind = self.pick(["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"])
            return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": self.meta(ns=False),
                    "webhooks": [{"name": "a.b.c", "clientConfig": {"service": self.ref(True)}}]}
        if kind == "Namespace":
            return {"apiVersion": "v1", "kind": kind, "metadata": {"name": self.pick(["ns1", "ns2", "default", "other"])}}
        if kind == "PriorityClass":
            return {"apiVersion": "scheduling.k8s.io/v1", "kind": kind, "metadata": self.meta(ns=False), "value": 5}
        if kind == "IngressClass":
            return {"apiVersion": "networking.k8s.io/v1", "kind": kind, "metadata": self.meta(ns=False), "spec": {"controller": "x/y"}}
        if kind == "ValidatingAdmissionPolicy":
            kind = self.pick([kind, kind + "Binding"])
            spec = {"policyName": name} if kind.endswith("Binding") else {"failurePolicy": "Fail", "paramKind": {"kind": "Thing", "apiVersion": "example.com/v1"}}
            return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": self.meta(ns=False), "spec": spec}
        if kind == "List":
            items = [self.resource() for _ in range(self.r.randint(0, 2))]
            items = [i for i in items if i["kind"] != "List"]
            if items and self.chance(0.3):
                kind = items[0]["kind"] + "List"
                return {"apiVersion": items[0]["apiVersion"], "kind": kind, "items": items[:1]}
            return {"apiVersion": "v1", "kind": "List", "items": items}
        if kind == "ServiceMonitor":
            return {"apiVersion": "monitoring.coreos.com/v1", "kind": kind, "metadata": self.meta(), "spec": {"selector": {"matchLabels": self.labels()}, "endpoints": [{"port": "p"}]}}
        if kind == "Certificate":
            return {"apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": self.meta(), "spec": {"secretName": name, "issuerRef": {"name": name, "kind": "Issuer"}, "dnsNames": ["a", "b"]}}
        if kind == "Rollout":
            return {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": self.meta(), "spec": {"replicas": 1, "template": self.template(), "strategy": {"canary": {"steps": [{"setWeight": 5}]}}}}
        if kind == "Route":
            return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": self.meta(),
                    "spec": {"parentRefs": [self.ref()], "rules": [{"backendRefs": [dict(self.ref(), port=80)]}]}}
        if kind == "LimitRange":
            return {"apiVersion": "v1", "kind": kind, "metadata": self.meta(), "spec": {"limits": [{"type": "Container", "default": {"cpu": 1}}]}}
        spec = {"a": self.value(), "list": [self.value() for _ in range(self.r.randint(0, 3))], "ref": self.ref(),
                "items": [{"name": self.pick(["p", "q"]), "v": self.value()} for _ in range(self.r.randint(0, 2))],
                "podTemplate": self.template(), "deep": {"x": {"y": [{"z": self.value()}, []], "e": {}}}, "image": self.pick(IMAGES),
                "configRef": {"kind": "ConfigMap", "name": self.pick(NAMES)}, "text": "a: b\nimage: nginx:1.0\nc:\n- d\n"}
        spec = {k: spec[k] for k in self.some(list(spec), 1, 6)}
        return {"apiVersion": self.pick(["example.com/v1", "example.com/v1", "other.io/v1beta1"]), "kind": self.pick(["Thing", "Widget"]),
                "metadata": self.meta(), "spec": spec}

    # Kustomizations.

    def selector(self, known):
        out = {}
        if known and self.chance(0.6):
            res = self.pick(known)
            if self.chance(0.8):
                out["kind"] = res["kind"]
            if self.chance(0.6):
                out["name"] = res.get("metadata", {}).get("name", "web")
            if self.chance(0.1):
                group = res["apiVersion"].rpartition("/")
                out["group"], out["version"] = group[0], group[2]
            if self.chance(0.1):
                out["namespace"] = self.pick(["ns1", "ns.*", "default"])
        else:
            if self.chance(0.8):
                out["kind"] = self.pick(["Deployment", "Service", "ConfigMap", "Dep.*", "StatefulSet|Deployment", "Thing", "Pod"])
            if self.chance(0.4):
                out["name"] = self.pick(NAMES + ["w.*", ".*", "web|db", "(web"])
        if self.chance(0.1):
            out["labelSelector"] = self.pick(["app=web", "app in (web,db)", "!tier", "app", "app!=web", "tier notin (x)", "env==v1,app"])
        if self.chance(0.05):
            out["annotationSelector"] = self.pick(["app", "a.b/c=x", "!z"])
        return out

    def patch_body(self, known):
        base = self.pick(known) if known and self.chance(0.85) else self.resource()
        kind = base["kind"]
        name = base.get("metadata", {}).get("name", "web")
        patch = {"apiVersion": base["apiVersion"], "kind": kind, "metadata": {"name": name}}
        ns = base.get("metadata", {}).get("namespace")
        if ns and self.chance(0.9):
            patch["metadata"]["namespace"] = ns
        if self.chance(0.06):
            patch["$patch"] = self.pick(["delete", "replace", "merge"])
            return patch
        if self.chance(0.3):
            patch["metadata"]["labels"] = self.labels()
        if self.chance(0.2):
            patch["metadata"]["annotations"] = self.pick([self.entries(0, 2), {"app": None}, {"z": None}])
        spec = {}
        podspec = {}
        if kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Rollout"):
            for field in self.some(["containers", "initContainers", "volumes", "tolerations", "nodeSelector", "serviceAccountName", "hostAliases", "topologySpreadConstraints", "imagePullSecrets"], 0, 3):
                if field in ("containers", "initContainers"):
                    cs = [self.container(self.r.randint(0, 1)) for _ in range(self.r.randint(1, 2))]
                    for c in cs:
                        if self.chance(0.5):
                            c.pop("image")
                        if self.chance(0.1):
                            c["$patch"] = self.pick(["delete", "replace"])
                        if self.chance(0.05):
                            c.pop("name")
                        if self.chance(0.1) and "env" in c:
                            c["env"].append({"name": "A", "$patch": "delete"})
                        if self.chance(0.05):
                            c["args"] = None
                        if self.chance(0.05):
                            c["$setElementOrder/env"] = [{"name": "B"}, {"name": "A"}]
                    if self.chance(0.05):
                        cs.append({"$patch": "replace"})
                    podspec[field] = cs
                elif field == "volumes":
                    podspec[field] = [self.volume(0)]
                    if self.chance(0.2):
                        podspec[field] = [{"name": "v", "$patch": "delete"}]
                    if self.chance(0.1):
                        podspec[field][0]["$retainKeys"] = ["name", self.pick(["emptyDir", "secret", "configMap"])]
                elif field == "tolerations":
                    podspec[field] = [{"key": self.word(), "operator": "Exists"}]
                elif field == "nodeSelector":
                    podspec[field] = self.labels()
                elif field == "hostAliases":
                    podspec[field] = [{"ip": self.pick(["1.2.3.4", "5.6.7.8"]), "hostnames": ["c"]}]
                elif field == "topologySpreadConstraints":
                    podspec[field] = [{"maxSkew": 2, "topologyKey": self.pick(["zone", "host"]), "whenUnsatisfiable": "ScheduleAnyway"}]
                elif field == "imagePullSecrets":
                    podspec[field] = [self.ref()]
                else:
                    podspec[field] = self.pick(NAMES)
            if podspec:
                spec["template"] = {"spec": podspec}
            if self.chance(0.3):
                spec["replicas"] = self.pick([5, None, 1])
            if self.chance(0.1):
                spec["strategy"] = self.pick([{"$patch": "replace", "type": "Recreate"}, {"type": "Recreate", "rollingUpdate": None}, {"$retainKeys": ["type"], "type": "Recreate"}])
            if self.chance(0.1):
                spec["template"] = None
        elif kind == "Service":
            spec["ports"] = [{"port": self.pick([80, 443, 53]), "targetPort": 8080}]
            if self.chance(0.2):
                spec["ports"][0]["protocol"] = "UDP"
            if self.chance(0.2):
                spec["selector"] = self.pick([None, self.labels(), {"$patch": "replace", "x": "y"}])
            if self.chance(0.1):
                spec["ports"] = [{"port": 80, "$patch": "delete"}]
        elif kind in ("ConfigMap", "Secret"):
            patch["data"] = self.pick([self.entries(0, 3), None, {"app": None}, {"LEVEL": None, "new": self.value()}])
            return patch
        elif kind in ("Thing", "Widget", "Certificate", "ServiceMonitor"):
            spec = self.pick([{"a": self.value()}, {"list": [self.value()]}, {"deep": {"x": None}}, {"deep": {"x": {"y": [{"q": 1}]}}}, {"items": [{"name": "p", "w": 1}]},
                              {"podTemplate": {"spec": {"containers": [{"name": "main", "image": "z"}]}}}, {"e": {}, "l": []}, {"ref": {"$patch": "delete"}}])
        elif "subjects" in base or kind == "RoleBinding":
            patch["subjects"] = [{"kind": "ServiceAccount", "name": self.pick(NAMES), "namespace": "ns1"}]
            return patch
        elif "rules" in base:
            patch["rules"] = self.pick([[], [{"apiGroups": [""], "resources": ["x"], "verbs": ["*"]}], None])
            return patch
        elif "webhooks" in base:
            patch["webhooks"] = [{"name": "a.b.c", "failurePolicy": "Fail"}, {"name": "new"}]
            return patch
        if spec or self.chance(0.5):
            patch["spec"] = spec
        return patch

    def json_ops(self):
        ops = []
        for _ in range(self.r.randint(1, 3)):
            path = self.pick([
                "/metadata/labels/app", "/metadata/annotations", "/metadata/annotations/x~1y", "/spec/replicas", "/spec/template/spec/containers/0/image",
                "/spec/template/spec/containers/-", "/spec/template/spec/containers/0", "/spec/ports/0/port", "/data/LEVEL", "/data", "/spec/a", "/spec/list/-",
                "/spec/list/0", "/spec/list/5", "/metadata/name", "/kind", "/spec", "/spec/template/spec/containers/0/env/-", "/metadata/namespace", "/spec/x/y",
                "/spec/template/spec/containers/-1", "",
            ])
            op = {"op": self.pick(["add", "replace", "remove", "add", "add", "add", "copy", "move"] + ["test"] * self.chance(0.2)), "path": path}
            if op["op"] in ("add", "replace", "test"):
                op["value"] = self.pick([self.value(), 5, {"a": self.value()}, [1, "x"], {"name": "n", "image": "i"}, None, True])
            if op["op"] in ("copy", "move"):
                op["from"] = self.pick(["/metadata/labels", "/spec/replicas", "/metadata/name", "/data", "/spec/list/0"])
            ops.append(op)
        return ops

    def field_path(self):
        return self.pick([
            "metadata.name", "metadata.namespace", "metadata.labels.app", "metadata.annotations.[a.b/c]", "metadata.annotations.a\\.b/c", "spec.replicas",
            "spec.template.spec.containers.[name=main].image", "spec.template.spec.containers.0.image", "spec.template.spec.containers.*.image",
            "spec.template.spec.containers.[name=main].env.[name=A].value", "data.LEVEL", "data.app", "spec.a", "spec.list.0", "spec.list.-", "spec.list.*", "spec.list",
            "spec.ref.name", "spec.ports.0.port", "spec.selector", "spec.deep.x.y.0.z", "spec.missing.x", "spec.text.image", "metadata", "spec.items.[name=p].v",
            "spec.template.spec.containers.[image=nginx].name", "spec.template.metadata.labels.app", "spec.rules.0.host", "data.[file.yaml]", "spec.items.[name=new].v",
            "spec.template.spec.serviceAccountName", "spec.list.-.x", "kind",
        ])

    def replacement(self, known):
        source = self.selector(known)
        for key in ("labelSelector", "annotationSelector"):
            source.pop(key, None)
        if self.chance(0.8):
            source["fieldPath"] = self.pick(["metadata.name", "metadata.namespace", "data.LEVEL", "data.app", "spec.replicas", "spec.template.spec.containers.0.image", "spec.list", "spec.ref", "metadata.labels.app"])
        if self.chance(0.15):
            source["options"] = {"delimiter": self.pick([":", "/", ".", ""]), "index": self.r.randint(-1, 2)}
        targets = []
        for _ in range(self.r.randint(1, 2)):
            t = {"select": self.selector(known), "fieldPaths": [self.field_path() for _ in range(self.r.randint(1, 2))]}
            if self.chance(0.2):
                t["reject"] = [self.selector(known)]
            if self.chance(0.5):
                options = {}
                if self.chance(0.6):
                    options["create"] = self.chance(0.8)
                if self.chance(0.4):
                    options["delimiter"] = self.pick([":", "/", "-", "."])
                    options["index"] = self.r.randint(-2, 3)
                t["options"] = options
            targets.append(t)
        out = {"source": source, "targets": targets}
        if self.chance(0.25):
            out.pop("source")
            out["sourceValue"] = self.pick(["v", "a:b", Raw("\"5\""), Raw("'yes'"), "x y", "", "multi\nline\n"])
        return out

    def generator(self, files, folder, kind):
        g = {"name": self.pick(NAMES + ["gen", "made"])}
        if self.chance(0.7):
            g["literals"] = self.some(["LEVEL=info", "a=b", "q=\"x y\"", "e=", "m='z'", "n=5", "yes=no", "u=é", "eq=a=b", "file.yaml=a: b"], 1, 3)
        if self.chance(0.3):
            name = self.pick(["data.txt", "conf.properties", "x.json"])
            files[folder + name] = self.pick(["hello\n", "a\tb\n", "no newline", "", "line1\r\nline2\r\n", "trailing \nx\n", "é\n", LONG, "  lead\n", "a\n\n\nb\n", "\n", "k: v\n"])
            g["files"] = [self.pick([name, "key=" + name, "k.x=./" + name])]
        if self.chance(0.25):
            name = self.pick(["vars.env", "e.env"])
            files[folder + name] = self.pick(["A=1\nB=two\n", "# c\n\nA = x\n", "A=\"q\"\n", "export A=1\n", "A\n", "A=1\r\nB=2\r\n", "\ufeffA=1\n", " A=1\n", "A=b=c\n", "1A=x\n", "A=1 # c\n", "A.b-c=1\n"])
            g["envs" if self.chance(0.8) else "env"] = [name] if "envs" in g or True else name
            if "env" in g:
                g["env"] = name
        if self.chance(0.1):
            g["behavior"] = self.pick(["create", "merge", "replace", "merge"])
        if self.chance(0.15):
            g["namespace"] = self.pick(["ns1", "ns2", "default"])
        if self.chance(0.3):
            g["options"] = self.options()
        if kind == "secretGenerator" and self.chance(0.3):
            g["type"] = self.pick(["Opaque", "kubernetes.io/tls", "x"])
        return g

    def options(self):
        o = {}
        if self.chance(0.4):
            o["disableNameSuffixHash"] = self.chance(0.8)
        if self.chance(0.4):
            o["labels"] = {"gen": self.pick(["x", "y"])}
        if self.chance(0.4):
            o["annotations"] = {"note": self.pick(["n", "a b", Raw("\"1\""), Raw("'yes'")])}
        if self.chance(0.2):
            o["immutable"] = self.chance(0.8)
        return o

    def field_spec(self):
        return {k: v for k, v in {
            "path": self.pick(["metadata/labels", "spec/selector", "spec/template/metadata/labels", "spec/ref/name", "spec/x/y", "spec/items[]/name", "spec/a", "spec/podTemplate/metadata/labels", "metadata/annotations/app", "spec/list[]", "metadata/labels/app"]),
            "kind": self.pick([None, "Thing", "Deployment", "Widget"]),
            "group": self.pick([None, None, "example.com", "apps"]),
            "create": self.pick([None, True, False]),
        }.items() if v is not None}

    def configuration(self):
        c = {}
        for section in self.some(["nameReference", "namePrefix", "namespace", "commonLabels", "commonAnnotations", "images", "varReference", "replicas", "labels", "nameSuffix"], 1, 3):
            if section == "nameReference":
                c[section] = [{"kind": self.pick(["ConfigMap", "Thing", "Secret", "Widget"]), "fieldSpecs": [{"kind": self.pick(["Thing", "Widget"]), "path": self.pick(["spec/ref/name", "spec/a", "spec/items/name", "spec/configRef/name", "spec/list", "spec/ref"])}]}]
                if self.chance(0.2):
                    c[section][0]["version"] = "v1"
            elif section == "images":
                c[section] = [{"path": self.pick(["spec/image", "spec/items[]/v", "spec/items/v", "spec/text"]), "kind": "Thing"}]
            elif section == "varReference":
                c[section] = [{"path": self.pick(["spec/a", "spec/list", "data/app", "spec/ref/name"]), "kind": self.pick(["Thing", "ConfigMap"])}]
            elif section == "replicas":
                c[section] = [{"path": "spec/replicas", "kind": self.pick(["Rollout", "Thing"]), "create": True}]
            elif section in ("namePrefix", "nameSuffix"):
                c[section] = [{"path": self.pick(["metadata/name", "spec/a"]), "kind": self.pick(["Thing", "Secret"])}]
            else:
                c[section] = [self.field_spec() for _ in range(self.r.randint(1, 2))]
        return c

    def plugin(self, known):
        kind = self.pick(["AnnotationsTransformer", "LabelTransformer", "PrefixTransformer", "SuffixTransformer", "PrefixSuffixTransformer", "NamespaceTransformer", "ImageTagTransformer", "ReplicaCountTransformer", "PatchTransformer", "PatchStrategicMergeTransformer", "PatchJson6902Transformer", "ReplacementTransformer", "ValueAddTransformer"])
        p = {"apiVersion": "builtin", "kind": kind, "metadata": {"name": "t" + self.word()}}
        specs = [self.field_spec() for _ in range(self.r.randint(1, 2))]
        if kind == "AnnotationsTransformer":
            p.update(annotations=self.labels(), fieldSpecs=[{"path": "metadata/annotations", "create": True}])
        elif kind == "LabelTransformer":
            p.update(labels=self.labels(), fieldSpecs=specs)
        elif kind == "PrefixTransformer":
            p.update(prefix="pt-", fieldSpecs=[{"path": "metadata/name"}])
        elif kind == "SuffixTransformer":
            p.update(suffix="-st", fieldSpecs=[{"path": "metadata/name"}])
        elif kind == "PrefixSuffixTransformer":
            p.update(prefix="a-", suffix="-b", fieldSpecs=[{"path": self.pick(["metadata/name", "spec/a"]), "kind": self.pick(["Thing", "Service"])}])
        elif kind == "NamespaceTransformer":
            p["metadata"]["namespace"] = self.pick(["tns", "ns1"])
            if self.chance(0.6):
                p["setRoleBindingSubjects"] = self.pick(["defaultOnly", "allServiceAccounts", "none"])
            if self.chance(0.4):
                p["unsetOnly"] = True
            if self.chance(0.8):
                p["fieldSpecs"] = [{"path": "metadata/namespace", "create": True}, {"path": "metadata/name", "kind": "Namespace", "create": True}, {"path": "subjects", "kind": "RoleBinding"}][: self.r.randint(1, 3)]
        elif kind == "ImageTagTransformer":
            p.update(imageTag=self.image(), fieldSpecs=[{"path": "spec/template/spec/containers[]/image", "create": True}])
        elif kind == "ReplicaCountTransformer":
            p.update(replica={"name": self.pick(NAMES), "count": 7}, fieldSpecs=[{"path": "spec/replicas", "create": True, "kind": self.pick(["Deployment", "StatefulSet"])}])
        elif kind == "PatchTransformer":
            p.update(patch=self.document(self.patch_body(known)))
            if self.chance(0.5):
                p["target"] = self.selector(known)
        elif kind == "PatchStrategicMergeTransformer":
            p["patches"] = self.document(self.patch_body(known))
        elif kind == "PatchJson6902Transformer":
            p["jsonOp"] = self.write(self.json_ops())
            p["target"] = dict(self.selector(known), name=self.pick(NAMES))
        elif kind == "ReplacementTransformer":
            p["replacements"] = [self.replacement(known)]
        else:
            p.update(value="added", targets=[{"fieldPath": self.pick(["metadata/namespace", "spec/ref/name"]), "selector": self.selector(known)}])
        return p

    def image(self):
        i = {"name": self.pick(["nginx", "gcr.io/p/db", "busybox", "web", "ngin.*", "registry.example.com:5000/team/web", "docker.io/library/nginx"])}
        if self.chance(0.5):
            i["newName"] = self.pick(["other/nginx", "reg:5000/x"])
        if self.chance(0.6):
            i["newTag"] = self.pick(["v2", "latest", Raw("\"1.5\""), Raw("'007'"), Raw("'1'")] + [Raw("1.5")] * self.chance(0.1))
        if self.chance(0.2):
            i["digest"] = "sha256:abc"
        if self.chance(0.1):
            i["tagSuffix"] = "-alpine"
        return i

    def pairs(self):
        return {k: self.pick(["v1", "prod", "x", Raw("\"5\""), Raw("'true'"), "a b"] if not self.odd else ["v1", Raw("\"\""), Raw("'~'"), "é", Raw("y"), Raw("'0x1'")] + [Raw("5"), Raw("yes")] * self.chance(0.05)) for k in self.some(["team", "env", "app", "a.b/c"], 1, 2)}

    def kustomization(self, files, folder, resources, components, known, component=False):
        k = {}
        if component:
            k.update(apiVersion="kustomize.config.k8s.io/v1alpha1", kind="Component")
        elif self.chance(0.3):
            k.update(apiVersion="kustomize.config.k8s.io/v1beta1", kind="Kustomization")
        if resources:
            k["resources" if self.chance(0.97) else "bases"] = resources
        if components:
            k["components"] = components
        p = self.pick([0.05, 0.1, 0.2])
        if self.chance(p * 2):
            k["namespace"] = self.pick(["ns1", "prod", "default"])
        if self.chance(p * 2):
            k["namePrefix"] = self.pick(["p-", "dev-"])
        if self.chance(p * 1.5):
            k["nameSuffix"] = self.pick(["-s", "-v2"])
        if self.chance(p):
            k["commonLabels"] = self.pairs()
        if self.chance(p * 1.5):
            k["labels"] = []
            for _ in range(self.r.randint(1, 2)):
                label = {"pairs": self.pairs()}
                if self.chance(0.3):
                    label["includeSelectors"] = self.chance(0.8)
                if self.chance(0.3):
                    label["includeTemplates"] = self.chance(0.8)
                if self.chance(0.2):
                    label["fields"] = [self.field_spec()]
                k["labels"].append(label)
        if self.chance(p):
            k["commonAnnotations"] = self.pairs()
        if self.chance(p * 1.5):
            k["images"] = [self.image() for _ in range(self.r.randint(1, 2))]
        if self.chance(p):
            k["replicas"] = [{"name": self.pick(NAMES), "count": self.r.randint(0, 9)}]
        if self.chance(p * 2):
            k["patches"] = []
            for i in range(self.r.randint(1, 3)):
                entry = {}
                if self.chance(0.75):
                    bodies = [self.document(self.patch_body(known)) for _ in range(2 if self.chance(0.15) else 1)]
                    body = "---\n".join(bodies)
                else:
                    ops = self.json_ops()
                    body = self.write(ops) if self.chance(0.8) else self.flow(ops) + "\n"
                    entry["target"] = self.selector(known)
                if self.chance(0.3):
                    files[f"{folder}patch{i}.yaml"] = body
                    entry["path"] = f"patch{i}.yaml"
                else:
                    entry["patch"] = body
                if self.chance(0.3):
                    entry["target"] = self.selector(known)
                if self.chance(0.1):
                    entry["options"] = {self.pick(["allowNameChange", "allowKindChange"]): True}
                k["patches"].append(entry)
        if self.chance(p * 0.5):
            body = self.document(self.patch_body(known))
            if self.chance(0.5):
                files[folder + "psm.yaml"] = body
                k["patchesStrategicMerge"] = ["psm.yaml"]
            else:
                k["patchesStrategicMerge"] = [body]
        if self.chance(p * 0.5):
            target = {"kind": "Deployment", "name": self.pick(NAMES), "version": "v1", "group": "apps"}
            k["patchesJson6902"] = [{"target": target, "patch": self.write(self.json_ops())}]
        if self.chance(p * 1.5):
            k["replacements"] = [self.replacement(known) for _ in range(self.r.randint(1, 2))]
        if self.chance(p):
            k["vars"] = [{"name": self.pick(["VAR", "WEB_NAME"]), "objref": {"kind": self.pick(["Service", "Deployment", "ConfigMap", "Thing"]), "name": self.pick(NAMES), "apiVersion": self.pick(["v1", "apps/v1"])}}]
            if self.chance(0.4):
                k["vars"][0]["fieldref"] = {"fieldpath": self.pick(["metadata.namespace", "spec.replicas", "data.LEVEL", "spec.ports[0].port"])}
        for field in ("configMapGenerator", "secretGenerator"):
            if self.chance(p * 2):
                k[field] = [self.generator(files, folder, field) for _ in range(self.r.randint(1, 2))]
        if self.chance(p):
            k["generatorOptions"] = self.options()
        if self.chance(p * 0.7):
            files[folder + "config.yaml"] = self.document(self.configuration())
            k["configurations"] = ["config.yaml"]
        if self.chance(p * 0.5):
            files[folder + "transformer.yaml"] = "---\n".join(self.document(self.plugin(known)) for _ in range(self.r.randint(1, 2)))
            k["transformers"] = ["transformer.yaml"]
        if self.chance(p * 0.3):
            g = dict({"apiVersion": "builtin", "kind": self.pick(["ConfigMapGenerator", "SecretGenerator"])}, metadata={"name": "gg"}, literals=["a=b"])
            files[folder + "generator.yaml"] = self.document(g)
            k["generators"] = ["generator.yaml"]
        if self.chance(p * 0.7):
            k["buildMetadata"] = self.some(["originAnnotations", "transformerAnnotations", "managedByLabel"], 1, 3)
        if self.chance(p * 0.7):
            k["sortOptions"] = self.pick([{"order": "fifo"}, {"order": "legacy"}, {"order": "legacy", "legacySortOptions": {"orderFirst": ["Service", "Deployment"], "orderLast": ["Namespace"]}}])
        if self.chance(p * 0.4):
            files[folder + "crd.json"] = CRD
            k["crds"] = ["crd.json"]
        if self.chance(p * 0.3):
            files[folder + "schema.json"] = SCHEMA
            k["openapi"] = {"path": "schema.json"}
        if self.chance(p * 0.1):
            k["openapi"] = {"version": self.pick(["v1.21.2", "v1.21.2", "v1.20.4"])}
        items = list(k.items())
        if self.chance(0.3):
            self.r.shuffle(items)
        return dict(items)


CRD = """{
  "github.com/example/v1.Thing": {
    "Schema": {
      "properties": {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"$ref": "k8s.io/apimachinery/pkg/apis/meta/v1.ObjectMeta"},
        "spec": {"$ref": "github.com/example/v1.ThingSpec"}
      }
    },
    "Dependencies": []
  },
  "github.com/example/v1.ThingSpec": {
    "Schema": {
      "properties": {
        "ref": {"x-kubernetes-object-ref-api-version": "v1", "x-kubernetes-object-ref-kind": "ConfigMap", "$ref": "k8s.io/x.LocalObjectReference"},
        "a": {"x-kubernetes-object-ref-api-version": "v1", "x-kubernetes-object-ref-kind": "Secret", "type": "string"}
      }
    },
    "Dependencies": []
  }
}
"""

SCHEMA = """{
  "definitions": {
    "com.example.v1.Thing": {
      "type": "object",
      "x-kubernetes-group-version-kind": [{"group": "example.com", "version": "v1", "kind": "Thing"}],
      "properties": {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": {
          "type": "object",
          "properties": {
            "items": {
              "type": "array",
              "x-kubernetes-patch-merge-key": "name",
              "x-kubernetes-patch-strategy": "merge",
              "items": {"type": "object", "properties": {"name": {"type": "string"}}}
            },
            "podTemplate": {"$ref": "#/definitions/io.k8s.api.core.v1.PodTemplateSpec"}
          }
        }
      }
    },
    "io.k8s.api.core.v1.PodTemplateSpec": {
      "type": "object",
      "properties": {"spec": {"type": "object", "properties": {"containers": {"type": "array", "x-kubernetes-patch-merge-key": "name", "x-kubernetes-patch-strategy": "merge", "items": {"type": "object"}}}}}
    }
  }
}
"""


def level(maker, files, folder, depth, below):
    """Writes one kustomization with resources of its own over those of `below`; returns what it may name."""
    known = list(below[1]) if below else []
    resources = [below[0]] if below else []
    components = []
    fresh = [maker.resource() for _ in range(maker.r.randint(0 if below else 1, 3 if below else 6))]
    if maker.chance(0.9):
        seen = set()
        fresh = [f for f in fresh if (key := (f["kind"], f["apiVersion"], f.get("metadata", {}).get("name"), f.get("metadata", {}).get("namespace"))) not in seen and not seen.add(key)]
    known += fresh
    for chunk in range(0, len(fresh), 2):
        name = f"r{chunk}.yaml"
        part = fresh[chunk:chunk + 2]
        text = maker.pick(["---\n", "", ""]) + maker.pick(["---\n", "\n---\n", "---\n---\n", "--- # c\n"]).join(maker.document(d) for d in part)
        if maker.chance(0.05):
            text += maker.pick(["---\n", "...\n", "\n\n", "# end\n"])
        if maker.chance(0.03):
            text = text.replace("\n", "\r\n")
        if maker.chance(0.02):
            text = "\ufeff" + text
        files[folder + name] = text
        resources.append(name)
    if maker.chance(0.12) and depth < 3:
        at = folder + "comp/"
        inner = maker.kustomization(files, at, [], [], known, component=True)
        maker.kustomizations[at + "kustomization.yaml"] = inner
        components.append("comp")
    k = maker.kustomization(files, folder, resources, components, known)
    maker.kustomizations[folder + maker.pick(["kustomization.yaml"] * 8 + ["kustomization.yml", "Kustomization"])] = k
    return known


class Tree:
    """A tree whose kustomizations can lose a field: most random ones cannot be built as they are."""

    def __init__(self, rng):
        self.maker = Maker(rng)
        self.files = {}
        below = None
        depth = rng.choice([1, 1, 2, 2, 3])
        for i in range(depth):
            folder = f"l{i}"
            known = level(self.maker, self.files, folder + "/", i, below)
            below = ("../" + folder, known)
        self.target = f"l{depth - 1}"
        self.render()

    def render(self):
        for path, k in self.maker.kustomizations.items():
            self.files[path] = self.maker.write(k) or "{}\n"

    def lose_a_field(self):
        """Takes away a field, or an entry of a list; tells whether there was one."""
        fields = [(k, f) for k in self.maker.kustomizations.values() for f in k if f not in ("apiVersion", "kind", "bases", "components")]
        if not fields:
            return False
        k, field = self.maker.pick(fields)
        if isinstance(k[field], list) and (field == "resources" or len(k[field]) > 1):
            items = [i for i in k[field] if not str(i).startswith("../")]
            if not items or self.maker.chance(0.5):
                return True
            k[field].remove(self.maker.pick(items))
        else:
            del k[field]
        self.render()
        return True
