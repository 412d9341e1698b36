#!/bin/sh
# Whole processes side by side: Helm's `helm template` and this repository's example of the same name, on charts
# that are given as folders or archives. Prints CPU time per run and the greatest memory of each.
#
#   benches/peers/helm/compare.sh CHART...
#
# HELM names the binary (default: helm on the PATH), RUNS the number of runs (default: 10).
set -eu
cd "$(dirname "$0")/../../.."
helm=${HELM:-helm}
runs=${RUNS:-10}
command -v "$helm" >/dev/null || { echo "there is no $helm to compare with" >&2; exit 1; }
cargo build --release --quiet --package gitops-helm --example template
ours=${CARGO_TARGET_DIR:-target}/release/examples/template

# CPU seconds of all runs and peak memory in KiB.
measure() {
    python3 - "$runs" "$@" <<'PYTHON'
import os, resource, subprocess, sys
runs, command = int(sys.argv[1]), sys.argv[2:]
for _ in range(runs):
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print((usage.ru_utime + usage.ru_stime) / runs * 1000, usage.ru_maxrss / 1024)
PYTHON
}

for chart in "$@"; do
    theirs=$(measure "$helm" template release-name "$chart" --namespace demo)
    mine=$(measure "$ours" release-name "$chart" --namespace demo)
    echo "$chart $theirs $mine" | awk '{
        printf "%s: helm %.1f ms %.0f MiB, this %.1f ms %.0f MiB: %.1f times the speed, %.0f %% of the memory\n",
            $1, $2, $3, $4, $5, $2 / $4, 100 * $5 / $3
    }'
done
