#!/bin/sh
# Whole processes side by side: Helm's `helm template` and this repository's example of the same name, on charts
# that are given as folders or archives. Both are run in turns; printed are the medians of the CPU time (user and
# system), of the ratio within a pair, and the greatest memory of each.
#
#   benches/peers/helm/compare.sh CHART...
#
# HELM names the binary (default: helm on the PATH), RUNS the number of pairs (default: 10), KUBE the version of
# Kubernetes that both are told (default: 1.34.0; a Helm that was built without one takes the cluster for older than many
# charts allow).
set -eu
helm=${HELM:-helm}
command -v "$helm" >/dev/null || { echo "there is no $helm to compare with" >&2; exit 1; }
helm=$(command -v "$helm")
here=$PWD
cd "$(dirname "$0")/../../.."
cargo build --profile dist --locked --quiet --package gitops-helm --example template
ours=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/dist/examples/template
cd "$here"

for chart in "$@"; do
    python3 - "${RUNS:-10}" "$chart" "${KUBE:-1.34.0}" "$helm template" "$ours" <<'PYTHON'
import os, statistics, subprocess, sys

runs, chart, kube, theirs, ours = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4].split(), [sys.argv[5]]
arguments = ["release-name", chart, "--namespace", "demo", "--kube-version", kube]

def run(command):
    child = subprocess.Popen(command + arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    complaint = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{command[0]} fails on {chart}: {complaint.decode()}")
    return (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss / 1024

pairs = [(run(theirs), run(ours)) for _ in range(runs)]
time = lambda side: statistics.median(pair[side][0] for pair in pairs)
peak = lambda side: max(pair[side][1] for pair in pairs)
ratio = statistics.median(a[0] / b[0] for a, b in pairs)
print(f"{chart}: helm {time(0):.1f} ms {peak(0):.0f} MiB, this {time(1):.1f} ms {peak(1):.0f} MiB: "
      f"{ratio:.1f} times the speed, {100 * peak(1) / peak(0):.0f} % of the memory")
PYTHON
done
