#!/usr/bin/env python3
"""Prints what kustomize and this crate cost on the same folders, side by side: CPU seconds and peak memory of the whole
processes, and whether they wrote the same bytes.

    go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.2
    cargo build --release -p gitops-kustomize --example build
    benches/peers/kustomize/figures.py

The folders are a small overlay (`seed`), bases of about 99, 999 and 9,999 resources under one overlay, and Argo CD's own
`manifests/cluster-install` where Go has fetched its module (`go mod download github.com/argoproj/argo-cd/v3@v3.6.1`) or
`--argo-cd FOLDER` names its manifests. kustomize takes minutes for 4,998 resources and more, so that it builds no more
than `--theirs-up-to` resources; `--theirs-up-to 4998` shows that size too, and takes some seven minutes.

`--ours "target/release/gitops build"` measures the command in place of the example.
"""

import argparse
import glob
import os
import pathlib
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]

HEAD = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"

APP = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {n}
  annotations: {{example.com/team: team-{t}}}
spec:
  replicas: {r}
  selector: {{matchLabels: {{app: {n}}}}}
  template:
    metadata: {{labels: {{app: {n}}}}}
    spec:
      containers:
      - name: app
        image: registry.example.com/apps/app-{t}:1.{i}.0
        args: ["--listen=:8080", "--name={n}"]
        ports: [{{name: http, containerPort: 8080}}]
        env:
        - name: LOG_LEVEL
          valueFrom: {{configMapKeyRef: {{name: {n}-config, key: LOG_LEVEL}}}}
        volumeMounts: [{{name: config, mountPath: /etc/app}}]
        resources: {{requests: {{cpu: 100m, memory: 128Mi}}}}
      volumes:
      - name: config
        configMap: {{name: {n}-config}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {n}-config
data:
  LOG_LEVEL: info
  app.properties: |
    name={n}
    feature.x=true
---
apiVersion: v1
kind: Service
metadata:
  name: {n}
spec:
  selector: {{app: {n}}}
  ports: [{{name: http, port: 80, targetPort: http}}]
"""

PATCH = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: any}
spec:
  template:
    spec:
      containers:
      - name: app
        env: [{name: REGION, value: west}]
"""


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def app(i):
    return APP.format(n=f"app-{i:05}", t=i % 10, r=1 + i % 3, i=i)


def write(root, resources):
    """Writes a tree; returns the folder to build. No number of resources: the small one."""
    if resources is None:
        put(root / "base/kustomization.yaml", HEAD + "resources: [app.yaml]\nlabels:\n- pairs: {name: backend}\n  includeSelectors: true\n")
        put(root / "base/app.yaml", app(0))
        put(root / "top/replicas.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app-00000}\nspec: {replicas: 5}\n")
        put(root / "top/region.yaml", PATCH.replace("any", "app-00000"))
        put(
            root / "top/kustomization.yaml",
            HEAD
            + "namespace: production\nresources: [../base]\npatches:\n- path: replicas.yaml\n- path: region.yaml\n"
            + "images:\n- {name: registry.example.com/apps/app-0, newTag: 1.4.2}\n",
        )
        return root / "top"
    names = []
    for i in range(resources // 3):
        names.append(f"app-{i:05}.yaml")
        put(root / "base" / names[-1], app(i))
    put(root / "base/kustomization.yaml", HEAD + "resources:\n" + "".join(f"- {name}\n" for name in names))
    put(root / "top/region.yaml", PATCH)
    images = "".join(f"- {{name: registry.example.com/apps/app-{t}, newTag: 2.{t}.0}}\n" for t in range(10))
    put(
        root / "top/kustomization.yaml",
        HEAD
        + "namespace: bench\nnamePrefix: bench-\nresources: [../base]\n"
        + "labels:\n- pairs: {part-of: bench}\n  includeSelectors: true\n"
        + f"images:\n{images}patches:\n- path: region.yaml\n  target: {{kind: Deployment}}\n",
    )
    return root / "top"


def generated(program, root, resources):
    """Lets another program write the tree."""
    size = "seed" if resources is None else str(resources)
    subprocess.run([sys.executable, program, str(root), size], check=True, stdout=subprocess.DEVNULL)
    return root / ("overlays/production" if resources is None else "overlay")


def measure(command, runs, out):
    """Returns the median of the CPU seconds and the largest peak of memory in MB."""
    seconds, peak = [], 0
    for _ in range(runs):
        with open(out, "wb") as to:
            process = subprocess.Popen(command, stdout=to, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"{shlex.join(command)} failed")
        seconds.append(usage.ru_utime + usage.ru_stime)
        peak = max(peak, usage.ru_maxrss / 1024)
    return statistics.median(seconds), peak


def argo_cd(given):
    if given:
        return pathlib.Path(given) / "cluster-install"
    go = shutil.which("go")
    cache = subprocess.run([go, "env", "GOMODCACHE"], capture_output=True, text=True).stdout.strip() if go else ""
    found = sorted(glob.glob(f"{cache}/github.com/argoproj/argo-cd/v3@*/manifests/cluster-install")) if cache else []
    return pathlib.Path(found[-1]) if found else None


def main():
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kustomize", default=shutil.which("kustomize"))
    p.add_argument("--ours", default=f"{target}/release/examples/build", help="the command; the folder follows it")
    p.add_argument("--sizes", default="99,999,4998,9999")
    p.add_argument("--theirs-up-to", type=int, default=999, metavar="N")
    p.add_argument("--generator", help="a program that writes the trees in place of this one: PROGRAM FOLDER seed|N")
    p.add_argument("--argo-cd", help="the folder `manifests` of Argo CD")
    p.add_argument("--runs", type=int, default=9)
    args = p.parse_args()
    if not args.kustomize:
        sys.exit("there is no kustomize on the PATH; --kustomize names one")
    ours = shlex.split(args.ours)
    work = pathlib.Path(tempfile.mkdtemp(prefix="figures-"))
    try:
        folders = [("seed", None, True)]
        manifests = argo_cd(args.argo_cd)
        if manifests:
            folders.append(("Argo CD, cluster-install", manifests, True))
        for size in map(int, args.sizes.split(",")):
            folders.append((f"{size:,} resources", size, size <= args.theirs_up_to))
        print(f"{'':26}{'kustomize':>18}{'ours':>20}{'CPU':>10}{'memory':>9}")
        different = False
        for name, what, theirs_too in folders:
            tree = work / "tree"
            if isinstance(what, pathlib.Path):
                folder = what
            elif args.generator:
                folder = generated(args.generator, tree, what)
            else:
                folder = write(tree, what)
            own, peak = measure([*ours, str(folder)], args.runs, work / "ours")
            line = f"{own:9.4f} s {peak:6.0f} MB"
            if theirs_too:
                runs = 1 if isinstance(what, int) and what > 500 else 3
                theirs, memory = measure([args.kustomize, "build", str(folder)], runs, work / "theirs")
                same = (work / "ours").read_bytes() == (work / "theirs").read_bytes()
                different |= not same
                end = "" if same else "  OTHER BYTES"
                print(f"{name:26}{theirs:8.2f} s {memory:4.0f} MB{line:>20}{theirs / own:8.0f} ×{memory / peak:7.1f} ×{end}", flush=True)
            else:
                print(f"{name:26}{'not run':>18}{line:>20}", flush=True)
            shutil.rmtree(tree, ignore_errors=True)
        sys.exit(1 if different else 0)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
