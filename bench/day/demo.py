#!/usr/bin/env python3
"""A registration day of a whole university against a fresh system of its own, which is checked
afterwards: by the day's own audit, by `ctl check`, and by comparing the replicas.

  bench/day/demo.py [--replicas N] [--kill | --kill-every S] [flags of matricula_day]

With --kill, the replica that leads is killed (SIGKILL) in the middle of the day and started again;
with --kill-every, whoever leads is, every S seconds, until the day is over. The programs are those
of the environment variables MATRICULAD and MATRICULA_DAY, or else the release builds.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import replicas  # noqa: E402
from replicas import PROGRAM, say  # noqa: E402

DAY = os.environ.get("MATRICULA_DAY", str(replicas.ROOT / "build/release/bench/day/matricula_day"))
LOG_TAIL_LINES = 20
EQUAL_TIMEOUT_S = 15
# Flags of matricula_day that say what day it is, and not how it is played.
DAY_FLAGS = ("--seed", "--students", "--classes", "--window-minutes")


class Killer:
    """Kills whoever leads, and starts it again; at most one is down at a time."""

    DOWN_S = 0.5

    def __init__(self, group, output_of, first_s, every_s):
        self.kills = 0
        self._group, self._output_of = group, output_of
        self._first_s, self._every_s = first_s, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join()

    def _run(self):
        pause_s = self._first_s
        while not self._stop.wait(pause_s):
            began = time.monotonic()
            leader = self._group.leader()
            if leader is not None:
                self._kill(leader)
            if self._every_s is None and self.kills > 0:
                return
            pause_s = max(0.1, (self._every_s or 0.1) - (time.monotonic() - began))

    def _kill(self, leader):
        leader.kill()
        self.kills += 1
        say("killed replica %d, which led" % leader.number)
        time.sleep(self.DOWN_S)
        leader.start(self._output_of(leader))
        if not self._group.wait_serving():
            say("replica %d does not come back" % leader.number)


class Demo:
    def __init__(self, arguments, day_flags, play_flags, directory):
        self.arguments = arguments
        self.day_flags, self.play_flags = day_flags, play_flags
        self.directory = Path(directory)
        free = replicas.free_addresses(3 * arguments.replicas)
        self.group = replicas.Group([tuple(free[i:i + 3]) for i in range(0, len(free), 3)],
                                    self.directory)
        self.servers = ",".join(replica.listen for replica in self.group.replicas)
        self.failed = []

    def output_of(self, replica):
        return open(self.directory / ("log%d" % replica.number), "ab")

    def run(self, *command):
        return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == 0

    def expect(self, what, good):
        if not good:
            self.failed.append(what)

    def play(self):
        say("playing the day" + (" over all portals" if len(self.group.replicas) > 1 else ""))
        killer = None
        if self.arguments.kill or self.arguments.kill_every:
            every_s = self.arguments.kill_every
            killer = Killer(self.group, self.output_of,
                            every_s or self.expected_s() / 2, every_s)
        self.expect("the day", self.run(DAY, "run", "--server", self.servers, "--no-load",
                                        *self.day_flags, *self.play_flags))
        if killer:
            killer.stop()
            say("leaders killed: %d" % killer.kills)
            self.expect("killing a leader", killer.kills > 0)

    def expected_s(self):
        """How long the day takes to play."""
        flags = dict(zip(self.day_flags[::2], self.day_flags[1::2]))
        speed = float(next((value for flag, value in zip(self.play_flags, self.play_flags[1:])
                            if flag == "--speed"), 60))
        return float(flags.get("--window-minutes", 60)) * 60 / speed

    def check(self):
        for replica in self.group.replicas:
            say("matriculad ctl check, on replica %d" % replica.number)
            self.expect("ctl check on replica %d" % replica.number,
                        self.run(PROGRAM, "ctl", "--kv", replica.kv, "check"))
        if len(self.group.replicas) > 1:
            self.expect("equal replicas", self.compare())

    def compare(self):
        """Whether all replicas hash the same history, which etcdctl asks them for."""
        revision = min(replica.status()["revisao"] for replica in self.group.replicas)
        endpoints = ",".join(replica.kv for replica in self.group.replicas)
        deadline = time.monotonic() + EQUAL_TIMEOUT_S
        while True:
            # Compaction reaches the replicas one after the other, so that once is not enough.
            run = subprocess.run(
                ["etcdctl", "--command-timeout", "60s", "--endpoints", endpoints, "endpoint", "hashkv",
                 "--rev", str(revision)],
                env={**os.environ, "ETCDCTL_API": "3"}, capture_output=True, encoding="utf-8",
                check=False)
            hashes = re.findall(r", (\d+)$", run.stdout, re.MULTILINE)
            equal = len(hashes) == len(self.group.replicas) and len(set(hashes)) == 1
            if equal or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        say("hashes of all replicas at revision %d: %s%s"
            % (revision, " ".join(hashes), "" if equal else ": NOT EQUAL " + run.stderr))
        return equal

    def whole(self):
        say("generating the day")
        self.expect("generating", self.run(DAY, "generate", str(self.directory / "day"),
                                           *self.day_flags))
        say("starting matriculad on " + self.servers)
        for replica in self.group.replicas:
            replica.start(self.output_of(replica))
        if not self.group.wait_serving():
            self.failed.append("starting matriculad")
            return
        say("importing the campus")
        self.expect("importing", self.run(PROGRAM, "ctl", "--server", self.group.replicas[0].listen,
                                          "import", str(self.directory / "day")))
        self.play()
        self.check()
        self.expect("a clean stop", self.group.stop())

    def show_logs(self):
        for replica in self.group.replicas:
            lines = (self.directory / ("log%d" % replica.number)).read_text(
                encoding="utf-8", errors="replace").splitlines()
            for line in lines[-LOG_TAIL_LINES:]:
                print("%d│ %s" % (replica.number, line), file=sys.stderr)


def split_flags(rest):
    """Flags of matricula_day in their two kinds."""
    day, play = [], []
    while rest:
        count = 2 if rest[0] in DAY_FLAGS else 1
        (day if count == 2 else play).extend(rest[:count])
        rest = rest[count:]
    return day, play


def main():
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, choices=(1, 3, 5))
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--kill-every", type=float, metavar="S")
    arguments, rest = parser.parse_known_args()
    killing = arguments.kill or arguments.kill_every
    arguments.replicas = arguments.replicas or (3 if killing else 1)
    directory = tempfile.mkdtemp(prefix="matricula-demo.")
    demo = Demo(arguments, *split_flags(rest), directory)
    try:
        demo.whole()
        if demo.failed:
            demo.show_logs()
    finally:
        for replica in demo.group.replicas:
            if replica.running():
                replica.kill()
        shutil.rmtree(directory, ignore_errors=True)
    if demo.failed:
        sys.exit("demo: not passed: " + ", ".join(demo.failed))


if __name__ == "__main__":
    main()
