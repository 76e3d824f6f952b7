#!/usr/bin/env python3
"""Replicas of one system on this machine: identical all-role processes on loopback, each with a
data folder of its own.

  bench/replicas.py [--replicas N] [--data DIR] [-- FLAGS of matriculad]

runs them in the foreground until Ctrl-C; one that is killed meanwhile is started again after a
while. bench/day/demo.py and others use the classes below. The program is that of the environment
variable MATRICULAD, or else the release build.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = os.environ.get("MATRICULAD", str(ROOT / "build/release/src/matriculad"))

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 15
RESTART_PAUSE_S = 5
# Of the first replica; the next ones' ports are above them, in steps that keep them apart.
PORTALS_PORT, KV_PORT, RAFT_PORT = 50051, 2379, 2380
PORTALS_STEP, STORE_STEP = 1, 10


def say(text):
    print("\033[1m▸ %s\033[0m" % text, file=sys.stderr, flush=True)


def free_addresses(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    addresses = ["127.0.0.1:%d" % probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return addresses


class Replica:
    """One process. `raft` is empty for one that is alone."""

    def __init__(self, number, listen, kv, raft, data, flags=()):
        self.number, self.listen, self.kv, self.raft = number, listen, kv, raft
        self.data = Path(data)
        self.command = [PROGRAM, "--listen", listen, "--kv-listen", kv, "--data", str(data)]
        self.command += ["--raft-listen", raft] if raft else []
        self.command += flags
        self.process = None

    def start(self, output):
        self.data.mkdir(parents=True, exist_ok=True)
        # Ctrl-C is for whoever runs the replicas, who then stops them.
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=output,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def status(self):
        """What `ctl status` says of this replica, or None."""
        run = subprocess.run([PROGRAM, "ctl", "--kv", self.kv, "--timeout", "1", "--json",
                              "status"], stdin=subprocess.DEVNULL, capture_output=True,
                             encoding="utf-8", check=False)
        for line in run.stdout.splitlines():
            record = json.loads(line)
            if record.get("endereco") == self.kv and record["papel"] is not None:
                return record
        return None

    def serves(self):
        status = self.status()
        return status is not None and "no leader" not in status["problemas"]


class Group:
    """All replicas of one system."""

    def __init__(self, addresses, directory, flags=()):
        """`addresses`: (listen, kv, raft) of each."""
        peers = [flag for _, _, raft in addresses for flag in ("--peer", raft)]
        alone = len(addresses) == 1
        self.replicas = [
            Replica(number, listen, kv, "" if alone else raft, Path(directory) / str(number),
                    [*([] if alone else peers), *flags])
            for number, (listen, kv, raft) in enumerate(addresses, start=1)]

    def wait_serving(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        waiting = list(self.replicas)
        while waiting:
            gone = [replica.number for replica in waiting if not replica.running()]
            if gone or time.monotonic() > deadline:
                return False
            waiting = [replica for replica in waiting if not replica.serves()]
            time.sleep(0.05)
        return True

    def leader(self):
        for replica in self.replicas:
            status = replica.status() if replica.running() else None
            if status is not None and status["papel"] == "líder":
                return replica
        return None

    def stop(self):
        """Stops all, the last ones by force; True if every one of them ended well."""
        running = [replica for replica in self.replicas if replica.running()]
        for replica in running:
            replica.process.send_signal(signal.SIGTERM)
        clean = True
        for replica in running:
            try:
                clean &= replica.process.wait(STOP_TIMEOUT_S) == 0
            except subprocess.TimeoutExpired:
                replica.kill()
                clean = False
        return clean


# ---- in the foreground ----


def forward(replica, stream):
    """Passes on what a replica logs, each line with its number."""
    for line in stream:
        sys.stdout.write("%d│ %s" % (replica.number, line.decode("utf-8", "replace")))
        sys.stdout.flush()


def start(replica):
    replica.start(subprocess.PIPE)
    threading.Thread(target=forward, args=(replica, replica.process.stdout), daemon=True).start()


def welcome(group, data):
    rows = "".join("    %d        %-17s  %-16s  %-16s  %s/%d\n" % (
        r.number, r.listen, r.kv, r.raft or "-", data, r.number) for r in group.replicas)
    first, last = group.replicas[0], group.replicas[-1]
    return f"""
  {len(group.replicas)} replicas are one system; any of them takes any request.

    replica  portals (gRPC)     etcd API          between replicas  data
{rows}
  Ctrl-C stops all of them. To try next, in another terminal:

    alias matriculad={PROGRAM}
    matriculad ctl import {ROOT}/config/sample
    matriculad ctl status
    matriculad ctl --server {last.listen} matricula add GSI010 11921BSI209
    matriculad ctl --server {first.listen} relatorio disciplina GSI010
    kill -9 $(pgrep -f -- '--listen {first.listen} ')   # it is started again after {RESTART_PAUSE_S} seconds
    matriculad ctl --server {last.listen} relatorio aluno 11921BSI209

"""


def watch_over(group, stopping):
    """Starts again whoever was killed, until `stopping` is set."""
    back_at = {}
    while not stopping.wait(0.2):
        for replica in group.replicas:
            if replica.running():
                continue
            if replica not in back_at:
                code = replica.process.returncode
                if code >= 0:
                    say("replica %d has ended by itself, with exit code %d" % (replica.number, code))
                    return
                say("replica %d has died of signal %d, and comes back in %d s"
                    % (replica.number, -code, RESTART_PAUSE_S))
                back_at[replica] = time.monotonic() + RESTART_PAUSE_S
            elif time.monotonic() >= back_at[replica]:
                del back_at[replica]
                start(replica)


def up(arguments, flags):
    count = arguments.replicas
    addresses = [("127.0.0.1:%d" % (PORTALS_PORT + PORTALS_STEP * i),
                  "127.0.0.1:%d" % (KV_PORT + STORE_STEP * i),
                  "127.0.0.1:%d" % (RAFT_PORT + STORE_STEP * i)) for i in range(count)]
    group = Group(addresses, arguments.data, flags)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    for replica in group.replicas:
        start(replica)
    ready = group.wait_serving()
    if ready:
        print(welcome(group, arguments.data), flush=True)
        watch_over(group, stopping)
    elif not stopping.is_set():
        say("not all replicas have begun to serve; their log is above")
    say("stopping")
    clean = group.stop()
    return 0 if clean and ready and stopping.is_set() else 1


def main():
    arguments = sys.argv[1:]
    split = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, default=3, choices=(1, 3, 5))
    parser.add_argument("--data", default="./matricula-replicas")
    known, rest = parser.parse_known_args(arguments[:split])
    return up(known, [*rest, *arguments[split + 1:]])


if __name__ == "__main__":
    sys.exit(main())
