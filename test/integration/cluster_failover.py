#!/usr/bin/env python3
"""How long nobody can write when the leader of three goes: killed (SIGKILL), or stopped cleanly
(SIGTERM). Several clients write through both of the others all the time. Two things are told: the
silence, which is the longest time from the signal on in which none of them was told "done", and
the slowest of all writes that ended after the signal.

  MATRICULAD=build/release/src/matriculad test/integration/cluster_failover.py --kills 50 --stops 50

Nothing else should run on the machine. The short form is a test of the suite.
"""

import argparse
import json
import threading
import time

import grpc

import cluster
import harness

WRITERS = 4
PUT = "/etcdserverpb.KV/Put"
# Long enough for everything that a test may see, so that a lasting silence is an error.
SILENCE_S = 30


class Writers:
    """Clients that write without a pause, and remember when they were last told that it is done."""

    def __init__(self, addresses):
        self.errors = 0
        self._done = []  # (began, ended) of acknowledged writes
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(addresses[i % len(addresses)], i))
                         for i in range(WRITERS)]
        for thread in self._threads:
            thread.start()

    def _run(self, address, number):
        key = b"failover-%d" % number
        with harness.open_channel(address) as channel:
            put = channel.unary_unary(PUT)
            count = 0
            while not self._stop.is_set():
                count += 1
                began = time.monotonic()
                try:
                    put(cluster.put_request(key, b"%d" % count), timeout=SILENCE_S)
                    self._done.append((began, time.monotonic()))
                except grpc.RpcError:
                    self.errors += 1
                time.sleep(0.002)

    def wait_for_one(self, after):
        """Until a write that began after that moment is acknowledged."""
        harness.wait_until(lambda: any(began > after for began, _ in self._done[-64:]), SILENCE_S,
                           "an acknowledged write", 0.001)

    def silence_since(self, moment):
        """The longest time without any acknowledgement since then, and the slowest write, in s."""
        done = sorted(self._done, key=lambda write: write[1])
        late = [write for write in done if write[1] > moment]
        ends = [max((end for _, end in done if end <= moment), default=moment)]
        ends += [end for _, end in late]
        return (max(b - a for a, b in zip(ends, ends[1:])), max(e - b for b, e in late))

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def quantile(values, share):
    """The smallest value that at least this share of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(share * 1000) // 1000) - 1)]


class Failover(cluster.Case):
    """The measuring, on a cluster that lasts for all rounds."""

    def rounds(self, members, count, end):
        """(silence, slowest write) in seconds, for each time that `end` was done to the leader."""
        gaps = []
        for _ in range(count):
            leader = self.leader_of(members)
            writers = Writers([m.kv_listen for m in members if m is not leader])
            try:
                writers.wait_for_one(time.monotonic())
                moment = time.monotonic()
                end(leader)
                harness.wait_until(lambda: not leader.running(), what=leader.name + " to end")
                writers.wait_for_one(time.monotonic())
                gaps.append(writers.silence_since(moment))
            finally:
                writers.stop()
            leader.launch()
            self.wait_serving(members)
        return gaps

    def runTest(self):
        """For use outside of a runner."""


def kill(member):
    member._process.kill()  # pylint: disable=protected-access


def stop(member):
    member._process.terminate()  # pylint: disable=protected-access


def describe(name, rounds):
    described = {"what": name, "count": len(rounds)}
    for kind, values in zip(("silence", "slowest"), zip(*rounds)):
        for share in (0.5, 0.9, 0.99, 1):
            described["%s_p%g_ms" % (kind, share * 100)] = round(quantile(values, share) * 1000, 1)
    return described


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--stops", type=int, default=50)
    arguments = parser.parse_args()
    test = Failover()
    test.setUp()
    try:
        members = test.start_three()
        for name, count, end in (("kill", arguments.kills, kill), ("stop", arguments.stops, stop)):
            if count > 0:
                print(json.dumps(describe(name, test.rounds(members, count, end))), flush=True)
        test.assert_equal_hashes(members)
    finally:
        for process in test._processes:  # pylint: disable=protected-access
            process.kill()


if __name__ == "__main__":
    main()
