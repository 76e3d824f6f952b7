#!/usr/bin/env python3
"""Shows that the simulator notices deliberate bugs: builds it with each of them (mutant.h of raft,
replication and kv says what they are), runs seeds until one fails, and prints a table.

usage: mutants.py [--build DIR] [--seeds N] [--first SEED] [--jobs J] [--only N,N,…]

DIR is a build with an up-to-date matriculad_sim (default: build/release). Only the sources that know
a mutant are compiled again for it. The exit code is 0 if every mutant was caught.
"""
import argparse
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ["src/common/raft", "src/common/replication", "src/common/kv"]
LISTED = re.compile(r"^//\s+(\d+)\s+(\S.*)$")
CONTINUED = re.compile(r"^//\s{7,}(\S.*)$")


def mutants():
    """number → what it does, from the comments of the headers."""
    found = {}
    for folder in FOLDERS:
        number = None
        for line in (ROOT / folder / "mutant.h").read_text(encoding="utf-8").split("\n"):
            listed, continued = LISTED.match(line), CONTINUED.match(line)
            if listed:
                number = int(listed.group(1))
                found[number] = listed.group(2)
            elif continued and number is not None:
                found[number] += " " + continued.group(1)
            else:
                number = None
    return {n: text for n, text in found.items() if not text.startswith("and up")}


def sources_of(number):
    """The sources that behave differently with this mutant."""
    knows = re.compile(rf"MutantIs\({number}\)|MATRICULA_MUTANT == {number}\b")
    return [file for folder in FOLDERS for file in sorted((ROOT / folder).glob("*.cc"))
            if knows.search(file.read_text(encoding="utf-8"))]


def commands(build, target):
    out = subprocess.run(["ninja", "-C", build, "-t", "commands", target], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    return out.strip().split("\n")


def build_mutant(build, number, folder):
    """Compiles what knows the mutant, and links it in front of the libraries."""
    all_commands = commands(build, "matriculad_sim")
    objects = []
    for source in sources_of(number):
        # Commands may name their files as seen from the build directory.
        line = next(c for c in all_commands if f"/{source.relative_to(ROOT)}" in c and " -c " in c)
        words = shlex.split(line)
        out = str(folder / (source.stem + ".o"))
        words[words.index("-o") + 1] = out
        for flag in ("-MD", "-MT", "-MF"):
            if flag in words:
                at = words.index(flag)
                del words[at:at + (1 if flag == "-MD" else 2)]
        words.append(f"-DMATRICULA_MUTANT={number}")
        subprocess.run(words, cwd=build, check=True)
        objects.append(out)
    if not objects:
        raise SystemExit(f"no source knows mutant {number}")
    link = [w for w in shlex.split(all_commands[-1]) if w not in (":", "&&")]
    binary = str(folder / "sim")
    link[link.index("-o") + 1] = binary
    first_object = next(i for i, w in enumerate(link) if w.endswith(".o"))
    link[first_object:first_object] = objects
    subprocess.run(link, cwd=build, check=True)
    return binary


def hunt(binary, first, seeds, jobs):
    """How many seeds until one fails, and what it said."""
    run = subprocess.run([binary, "--first", str(first), "--seeds", str(seeds), "--jobs", str(jobs)],
                         text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    failed = re.search(r"FAILED with seed (\d+): (.*)", run.stdout)
    if not failed:
        return None, run.stdout.strip().split("\n")[-1]
    said = failed.group(2)
    bug = re.search(r"^.*ensure.*$|^.*ENSURE.*$|^.*: .*failed.*$", run.stderr, re.MULTILINE)
    if "signal" in said and run.stderr.strip():
        said = bug.group(0) if bug else run.stderr.strip().split("\n")[0]
    return int(failed.group(1)) - first + 1, said


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", help="numbers, separated by commas")
    arguments = parser.parse_args()
    only = {int(n) for n in arguments.only.split(",")} if arguments.only else None
    escaped = 0
    print(f"seeds from {arguments.first} on, {arguments.seeds} at most")
    print(f"{'':>3} {'seeds':>6} {'s':>5}  mutant → what was noticed")
    for number, text in sorted(mutants().items()):
        if only and number not in only:
            continue
        with tempfile.TemporaryDirectory(prefix="mutant") as folder:
            binary = build_mutant(arguments.build, number, pathlib.Path(folder))
            begin = time.monotonic()
            caught, said = hunt(binary, arguments.first, arguments.seeds, arguments.jobs)
            seconds = time.monotonic() - begin
        escaped += caught is None
        print(f"{number:>3} {caught or 'none':>6} {seconds:5.1f}  {text} → {said[:110]}", flush=True)
    print("every mutant was caught" if escaped == 0 else f"{escaped} mutants were not caught")
    return 1 if escaped else 0


if __name__ == "__main__":
    sys.exit(main())
