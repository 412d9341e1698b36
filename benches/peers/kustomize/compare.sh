#!/bin/sh
# Builds the same folders with kustomize and with this crate, compares the bytes, and prints CPU seconds and peak
# memory of both whole processes, one after the other.
#
#   go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.2
#   cargo build --release -p gitops-kustomize --example build
#   benches/peers/kustomize/compare.sh FOLDER...
#
# KUSTOMIZE and OURS name other binaries; RUNS how often ours is run (kustomize is run once).
set -eu
kustomize=${KUSTOMIZE:-$(command -v kustomize || true)}
root=$(cd "$(dirname "$0")/../../.." && pwd)
ours=${OURS:-${CARGO_TARGET_DIR:-$root/target}/release/examples/build}
runs=${RUNS:-3}
if [ -z "$kustomize" ]; then
    echo "there is no kustomize on the PATH: skipped" >&2
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for folder in "$@"; do
    /usr/bin/time -f "$folder kustomize: %U + %S s, %M KB" "$kustomize" build "$folder" >"$work/kustomize" 2>"$work/time"
    tail -n 1 "$work/time"
    i=0
    while [ "$i" -lt "$runs" ]; do
        /usr/bin/time -f "$folder ours:      %U + %S s, %M KB" "$ours" "$folder" >"$work/ours" 2>"$work/time"
        tail -n 1 "$work/time"
        i=$((i + 1))
    done
    cmp "$work/kustomize" "$work/ours" && echo "$folder: the same bytes"
done
