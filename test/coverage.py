#!/usr/bin/env python3
"""Says how many lines of the consensus modules the tests have executed.

usage: coverage.py [--build DIR] [--lines] [--least PERCENT]

DIR is a build with MATRICULA_COVERAGE whose tests have been run (default: build/coverage). --lines
also lists what was not executed. The exit code is 1 if a folder is below PERCENT (default: 95).
"""
import argparse
import collections
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ["src/common/raft", "src/common/replication"]


def counts_of(build, folder):
    """file → line → how often it was executed, over all objects that know it."""
    counts = collections.defaultdict(lambda: collections.defaultdict(int))
    data = [str(file.resolve()) for file in (build / folder).rglob("*.gcda")]
    with tempfile.TemporaryDirectory(prefix="coverage") as out:
        subprocess.run(["gcov", "--json-format", *data], cwd=out, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for report in pathlib.Path(out).glob("*.gcov.json.gz"):
            parsed = json.loads(gzip.open(report).read())
            for file in parsed["files"]:
                path = (build.resolve() / file["file"]).resolve()
                if not path.is_relative_to(ROOT / folder):
                    continue
                for line in file["lines"]:
                    counts[path][line["line_number"]] += line["count"]
    return counts


def describe(numbers):
    """3, 4, 5, 9 → 3-5, 9"""
    runs = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/coverage")
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("--least", type=float, default=95)
    arguments = parser.parse_args()
    too_little = False
    for folder in FOLDERS:
        total = executed = 0
        for path, lines in sorted(counts_of(arguments.build, folder).items()):
            missed = sorted(number for number, count in lines.items() if count == 0)
            total += len(lines)
            executed += len(lines) - len(missed)
            if arguments.lines and missed:
                print(f"  {path.relative_to(ROOT)}: {describe(missed)}")
        percent = 100 * executed / max(total, 1)
        too_little |= percent < arguments.least
        print(f"{folder}: {executed} of {total} lines, {percent:.1f} %")
    return 1 if too_little else 0


if __name__ == "__main__":
    sys.exit(main())
