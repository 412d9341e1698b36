#!/usr/bin/env python3
"""Looks for trees that kustomize and this crate build differently.

    go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.2
    cargo build --release -p gitops-kustomize --example build
    benches/peers/kustomize/differ.py --count 1000 --seed 1 --keep /tmp/differences

A tree is random (`trees.py`), or a recorded case with random changes (`--corpus FOLDER`). What differs, in bytes or in
whether it can be built, is made smaller while it still differs, and kept with both outputs. The exit code is 1 where
anything was found.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import trees


def options():
    root = pathlib.Path(__file__).resolve().parents[3]
    target = os.environ.get("CARGO_TARGET_DIR", root / "target")
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kustomize", default=shutil.which("kustomize"))
    p.add_argument("--ours", default=f"{target}/release/examples/build")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--count", type=int, default=200)
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--corpus", help="a folder of recorded cases to change")
    p.add_argument("--keep", help="where to keep what differs")
    p.add_argument("--no-shrink", action="store_true")
    return p.parse_args()


def write(files, folder):
    for path, text in files.items():
        at = folder / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))


def run(command, cwd):
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, timeout=60)
        return done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired:
        return 124, b"", b"it took more than a minute"


def outcome(args, files, target, flags):
    """Returns what differs with both outputs, None where nothing does, and "both fail"."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="differ-"))
    try:
        write(files, folder)
        theirs = run([args.kustomize, "build", target, *flags], folder)
        ours = run([args.ours, target, *flags], folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if b"panic" in ours[2] and b"RUST_BACKTRACE" in ours[2]:
        return "panic", theirs, ours
    if theirs[0] != 0 and b"goroutine " in theirs[2]:
        return None
    if theirs[0] != 0 and ours[0] != 0:
        return "both fail"
    if theirs[0] != 0:
        return "only kustomize fails", theirs, ours
    if ours[0] != 0:
        return "only ours fails", theirs, ours
    if theirs[1] != ours[1]:
        return "bytes", theirs, ours
    return None


def shrink(args, files, target, flags, found):
    """Takes away files and lines while the same kind of difference stays."""
    kind = found[0]
    budget = 400

    def try_out(candidate):
        nonlocal budget, found
        if budget <= 0:
            return False
        budget -= 1
        now = outcome(args, candidate, target, flags)
        # A failure must stay the same failure.
        same = isinstance(now, tuple) and now[0] == kind and (kind == "bytes" or signature(now) == signature(found))
        if same:
            found = now
        return same

    for path in sorted(files):
        fewer = {p: t for p, t in files.items() if p != path}
        if try_out(fewer):
            files = fewer
    changed = True
    while changed and budget > 0:
        changed = False
        for path in sorted(files):
            text = files[path]
            if isinstance(text, bytes):
                continue
            lines = text.split("\n")
            size = max(1, len(lines) // 2)
            while size >= 1 and budget > 0:
                i = 0
                while i < len(lines) and budget > 0:
                    fewer = lines[:i] + lines[i + size:]
                    candidate = dict(files)
                    candidate[path] = "\n".join(fewer)
                    if try_out(candidate):
                        lines, files, changed = fewer, candidate, True
                    else:
                        i += size
                size //= 2
    return files, found


def signature(found):
    text = (found[1][2] if found[0] == "only kustomize fails" else found[2][2]).decode("utf-8", "replace")
    return "".join(c for c in text if c.isalpha() or c == " ")[:60]


def corpus_case(rng, corpus):
    """Takes a recorded case and changes some of it."""
    case = pathlib.Path(rng.choice(corpus))
    about = json.loads((case / "case.json").read_text())
    files = {}
    for path in sorted((case / "input").rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            try:
                files[str(path.relative_to(case / "input"))] = data.decode()
            except UnicodeDecodeError:
                files[str(path.relative_to(case / "input"))] = data
    texts = [p for p, t in files.items() if isinstance(t, str) and t]
    maker = trees.Maker(rng)
    maker.odd = True
    for _ in range(rng.choice([1, 1, 2, 3])):
        if not texts:
            break
        path = rng.choice(texts)
        lines = files[path].split("\n")
        i = rng.randrange(len(lines))
        line = lines[i]
        pad = line[: len(line) - len(line.lstrip())]
        choice = rng.randrange(12)
        if choice <= 1:
            del lines[i]
        elif choice == 2:
            lines.insert(i, line)
        elif choice <= 5 and ": " in line:
            lines[i] = line[: line.index(": ") + 2] + rng.choice(trees.ODD)
        elif choice == 6:
            j = rng.randrange(len(lines))
            lines[i], lines[j] = lines[j], lines[i]
        elif choice == 7 and "kustomization" in path.lower():
            more = maker.kustomization(files, path.rpartition("/")[0] + "/" if "/" in path else "", [], [], [])
            for field in list(more):
                if any(l.startswith(field + ":") for l in lines):
                    del more[field]
            lines += maker.write(dict(list(more.items())[:2])).split("\n") if more else []
        elif choice == 8:
            lines.insert(i, pad + rng.choice(["# note", "x: 1", "- x", "  y: 2", "---", "name: web", "kind: Deployment", "namespace: ns1"]))
        elif choice == 9:
            other = files[rng.choice(texts)].split("\n")
            j = rng.randrange(len(other))
            lines[i:i] = other[j:j + rng.randint(1, 6)]
        elif choice == 10:
            lines[i] = line + rng.choice([" # c", " ", "\t", "x", ":", "\r"])
        else:
            lines[i] = pad + rng.choice(["  ", ""]) + line.lstrip()
        files[path] = "\n".join(lines)
    return files, about["build_dir"] or ".", about.get("args") or []


def main():
    args = options()
    if not args.kustomize:
        print("there is no kustomize on the PATH: skipped", file=sys.stderr)
        return 0
    corpus = None
    if args.corpus:
        corpus = sorted(str(p.parent) for p in pathlib.Path(args.corpus).glob("*/case.json"))

    failing = []

    def one(seed):
        rng = random.Random(seed)
        if corpus:
            files, target, flags = corpus_case(rng, corpus)
        else:
            tree = trees.Tree(rng)
            files, target = tree.files, tree.target
            flags = rng.choice([[]] * 8 + [["--reorder", "none"], ["--enable-managedby-label"]])
        found = outcome(args, files, target, flags)
        repairs = 0
        while found == "both fail" and not corpus and repairs < 8 and tree.lose_a_field():
            repairs += 1
            found = outcome(args, files, target, flags)
        if isinstance(found, str):
            failing.append(seed)
            found = None
        if found and not args.no_shrink:
            files, found = shrink(args, files, target, flags, found)
        return seed, files, target, flags, found

    differing = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for seed, files, target, flags, found in pool.map(one, range(args.seed, args.seed + args.count)):
            if not found:
                continue
            differing += 1
            kind, theirs, ours = found
            print(f"== seed {seed}: {kind}: {target} {' '.join(flags)}")
            if kind != "bytes":
                stderr = theirs[2] if kind == "only kustomize fails" else ours[2]
                print("   " + stderr.decode("utf-8", "replace").strip()[-400:])
            if args.keep:
                at = pathlib.Path(args.keep) / str(seed)
                shutil.rmtree(at, ignore_errors=True)
                write(files, at)
                (at / "FLAGS").write_text(" ".join([target, *flags]) + "\n")
                (at / "THEIRS").write_bytes(theirs[1] + theirs[2])
                (at / "OURS").write_bytes(ours[1] + ours[2])
            sys.stdout.flush()
    print(f"{args.count} trees: {differing} differ, {len(failing)} fail in both")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
