#!/usr/bin/env python3
"""A cluster of real processes on real disks, under every fault that can be made without privileges,
while clients of the etcd API, portals' clients and watches use it; afterwards, and every half minute
meanwhile, all they were told is judged.

usage: chaos.py [--minutes N] [--replicas 3|5] [--seed S] [--only NAME,NAME…] [--keep]

Without --minutes, the short form: a handful of faults, one of each sort. The schedule of the faults
comes from the seed, which is printed first. What fails leaves its logs and its history in a folder,
whose path is printed last. One cluster lives for some minutes, then comes another one.

Judged are: every answer of the store by linearizability over all keys (judge.h), serializable reads
by the history; every watch by the history; the members' histories and HashKV against each other;
an external journal of what was acknowledged; the portals' answers by the linearizer of test/race;
the seats (ctl check); and that a member is named CORRUPT only if it was made so.
"""

import argparse
import collections
import json
import random
import shutil
import sys
import tempfile
import threading
import time
import traceback

import cluster as clusters
import faults

# One of each sort, for the suite.
SHORT = ["kill -9 of the leader", "SIGSTOP of the leader", "power failure of all",
         "leader cut off", "bridge", "failing sync", "wiped member", "clock jumps everywhere",
         "deaf leader"]
CLUSTER_S = 420
MOST_WRONG = 5
ROUND_S = 30
# Small enough that whoever was away for some seconds needs a snapshot now and then.
LOG_ENTRIES = 300


class Figures:
    """What has been done, in sum."""

    def __init__(self):
        self.began = time.monotonic()
        self.faults = collections.Counter()
        self.sums = collections.Counter()
        self.silences = collections.defaultdict(list)

    def add(self, figures):
        self.sums.update(figures)

    def line(self):
        return json.dumps({
            "minutes": round((time.monotonic() - self.began) / 60, 2),
            "faults": sum(self.faults.values()), **self.sums,
            "by_kind": dict(sorted(self.faults.items())),
            "silence_ms": {name: {"most": max(found), "median": sorted(found)[len(found) // 2]}
                           for name, found in sorted(self.silences.items())}},
            ensure_ascii=False)


class Standstill(threading.Thread):
    """Notices when nothing ran for a while: then what took too long is nobody's fault."""

    def __init__(self):
        super().__init__(name="standstill", daemon=True)
        self.longest_s = 0
        self.start()

    def run(self):
        while True:
            began = time.monotonic()
            time.sleep(0.5)
            stood_s = time.monotonic() - began - 0.5
            self.longest_s = max(self.longest_s, stood_s)
            if stood_s > 3:
                say("%s  nothing ran for %.1f s" % (time.strftime("%H:%M:%S"), stood_s))


class Run:
    """One cluster's life."""

    def __init__(self, options, seed, directory, figures):
        self.options = options
        self.figures = figures
        self.chance = random.Random(seed)
        self.directory = directory
        self.cluster = clusters.Cluster(options.replicas, directory, seed,
                                        ["--raft-log-entries", str(LOG_ENTRIES)])
        self.traffic = clusters.Traffic(self.cluster.members, directory, seed,
                                        options.clients).launch()
        self.portals = clusters.Portals(self.cluster.members, seed, directory, figures.add)

    def play(self, schedule, ends):
        """Faults until the schedule or the time is at its end."""
        self.portals.start()
        self._begin_round()
        for name in schedule:
            self._one(name)
            if time.monotonic() > ends:
                break
            if time.monotonic() > self.round_ends:
                self._end_round()
                self._begin_round()
        self._end_round()
        self.portals.end()
        if self.portals.wrong:
            raise clusters.Wrong(self.portals.wrong)
        self.cluster.check_seats()

    def _begin_round(self):
        self.round_ends = time.monotonic() + ROUND_S
        self.traffic.ask("begin")

    def _end_round(self):
        self.cluster.check_alike()
        figures = self.traffic.end_round(self.cluster.present)
        self.figures.add({"rounds": 1, **figures})
        say("%s  judged: %d answers, %d unknown, %d changes, %d told by watches: all well" %
            (time.strftime("%H:%M:%S"), figures["answered"], figures["unknown"], figures["changes"], figures["told"]))

    def _one(self, name):
        time.sleep(self.chance.uniform(0.2, 1))
        self.traffic.silence_ms()
        began = time.monotonic()
        faults.ALL[name][0](self.cluster)
        faulty_s = time.monotonic() - began
        self.cluster.await_mended()
        self.cluster.check_alive()
        silence_ms = self.traffic.silence_ms()
        self.figures.faults[name] += 1
        self.figures.silences[name].append(silence_ms)
        say("%s  %-34s %5.1f s, mended in %4.1f s, no write for %5d ms" %
            (time.strftime("%H:%M:%S"), name, faulty_s, time.monotonic() - began - faulty_s, silence_ms))
        if self.portals.wrong:
            raise clusters.Wrong(self.portals.wrong)


def say(text):
    print(text, flush=True)


def schedule_of(options, seed):
    """The names of the faults, as the seed has it; without an end in the long form."""
    chance = random.Random(seed)
    if options.minutes is None:
        yield from chance.sample(SHORT, len(SHORT))
        return
    names = options.only.split(",") if options.only else list(faults.ALL)
    weights = [faults.ALL[name][1] for name in names]
    while True:
        yield chance.choices(names, weights)[0]


def play_one(options, seed, ends, figures):
    """One cluster from its founding to its end; False if something was wrong."""
    directory = tempfile.mkdtemp(prefix="matricula-chaos.")
    say("seed %d, %d replicas, in %s" % (seed, options.replicas, directory))
    try:
        Run(options, seed, directory, figures).play(schedule_of(options, seed), ends)
    except (clusters.Wrong, AssertionError) as error:
        say("WRONG %s" % error)
    except Exception:  # pylint: disable=broad-except
        say("WRONG " + traceback.format_exc())
    else:
        clusters.kill_all()
        if not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
        return True
    clusters.kill_all()
    say("logs and histories are in %s; to repeat: --seed %d --replicas %d%s" %
        (directory, seed, options.replicas,
         "" if options.minutes is None else " --minutes %g" % options.minutes))
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, help="the long form, for so long")
    parser.add_argument("--replicas", type=int, choices=(3, 5), default=3)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--clients", type=int, default=6, help="of the store, besides two for each member")
    parser.add_argument("--only", help="of the long form: these faults alone, by name")
    parser.add_argument("--keep", action="store_true", help="logs, also if all is well")
    parser.add_argument("--tally", help="a file to append the figures to")
    options = parser.parse_args()
    figures = Figures()
    ends = time.monotonic() + 60 * (options.minutes or 10)
    seed = options.seed
    wrong = 0
    standstill = Standstill()
    while wrong < MOST_WRONG:
        if not play_one(options, seed, min(ends, time.monotonic() + CLUSTER_S), figures):
            wrong += 1
        seed += 1
        if options.minutes is None or time.monotonic() > ends:
            break
    if standstill.longest_s > 5:
        say("the machine stood still for up to %d s; whoever ran out of time may be excused" %
            standstill.longest_s)
    say(figures.line())
    if options.tally:
        with open(options.tally, "a", encoding="utf-8") as tally:
            tally.write(("WRONG " if wrong else "ok ") + figures.line() + "\n")
    say("%d wrong" % wrong if wrong else "all well")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
