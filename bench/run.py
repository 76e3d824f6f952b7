#!/usr/bin/env python3
"""Measures matriculad against the ceilings and the neighbours of this machine.

  bench/run.py portals   the portals' calls of a fresh matriculad, against a bare gRPC echo server
  bench/run.py kv        its etcd API against a stock etcd: puts, linearizable and serializable gets
  bench/run.py cache     linearizable reads through an admin server whose store is elsewhere, with
                         its cache and without, against a bare gRPC echo server
  bench/run.py bus       from the acknowledgement of a write to its event at a subscriber
  bench/run.py rpc       what common/rpc costs on top of gRPC's bare asynchronous API

Everything runs on loopback, with the same client (matricula_load) and in turn: one round measures
every candidate once, and the medians of all rounds are compared, so that a noisy machine is noisy
for all of them. Data directories are fresh for each server and removed afterwards; they must be on
a real disk, because every acknowledged write is synced.

Build first: cmake --preset release && cmake --build --preset release
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
READY_TIMEOUT_S = 20
STOP_TIMEOUT_S = 10

PORTAL_WORKLOADS = ["novo-aluno", "obtem-aluno", "adiciona-hot", "adiciona-spread"]
KV_WORKLOADS = ["etcd-put", "etcd-get", "etcd-get-serializable"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fail(message):
    sys.exit(f"run.py: {message}")


class Server:
    """One or more processes that together answer at one address."""

    def __init__(self, name, commands, target, directory):
        self.name = name
        self.target = target
        self.directory = directory
        self.processes = []
        for number, command in enumerate(commands):
            log = open(directory / f"log{number}", "wb")
            self.processes.append(
                subprocess.Popen(command, cwd=directory, stdout=log, stderr=log))
        self.wait_until_ready()

    def wait_until_ready(self):
        host, port = self.target.rsplit(":", 1)
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            if any(process.poll() is not None for process in self.processes):
                fail(f"{self.name} ended at once:\n{self.log()}")
            with contextlib.suppress(OSError):
                socket.create_connection((host, int(port)), timeout=1).close()
                return
            time.sleep(0.05)
        fail(f"{self.name} does not listen on {self.target}:\n{self.log()}")

    def log(self):
        return "\n".join(path.read_text(errors="replace")[-2000:]
                         for path in sorted(self.directory.glob("log*")))

    def cpu_seconds(self):
        total = 0
        for process in self.processes:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS_PER_SECOND

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def echo(options, directory, ours=False):
    target = f"127.0.0.1:{free_port()}"
    command = [options.build / "bench/echo/matricula_echo", "--listen", target]
    return Server("rpc" if ours else "echo", [command + (["--ours"] if ours else [])], target,
                  directory)


def matriculad_binary(options):
    binary = options.matriculad or options.build / "src/matriculad"
    if not os.access(binary, os.X_OK):
        fail(f"{binary} is not there; build it, or name another with --matriculad")
    return Path(binary).resolve()


def matriculad(options, directory, portals):
    listen, kv = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    command = [matriculad_binary(options), "--data", directory / "data", "--listen", listen,
               "--kv-listen", kv] + options.flag
    return Server("matriculad", [command], listen if portals else kv, directory)


def matriculad_replicas(options, directory):
    kv = [f"127.0.0.1:{free_port()}" for _ in range(options.replicas)]
    raft = [f"127.0.0.1:{free_port()}" for _ in range(options.replicas)]
    commands = []
    for i in range(options.replicas):
        command = [matriculad_binary(options), "--role", "kv-replica", "--data",
                   directory / f"data{i}", "--kv-listen", kv[i], "--raft-listen", raft[i]]
        for j in range(options.replicas):
            if j != i:
                command += ["--peer", raft[j]]
        commands.append(command + options.flag)
    return Server("matriculad", commands, kv[0], directory)


def etcd(options, directory):
    clients = [f"http://127.0.0.1:{free_port()}" for _ in range(options.replicas)]
    peers = [f"http://127.0.0.1:{free_port()}" for _ in range(options.replicas)]
    cluster = ",".join(f"m{i}={peer}" for i, peer in enumerate(peers))
    commands = [
        ["etcd", "--name", f"m{i}", "--data-dir", directory / f"data{i}",
         "--listen-client-urls", clients[i], "--advertise-client-urls", clients[i],
         "--listen-peer-urls", peers[i], "--initial-advertise-peer-urls", peers[i],
         "--initial-cluster", cluster, "--log-level", "error",
         "--quota-backend-bytes", str(8 << 30)]
        for i in range(options.replicas)
    ]
    return Server("etcd", commands, clients[0].removeprefix("http://"), directory)


class Bench:
    def __init__(self, options):
        self.options = options
        self.samples = {}  # (workload, in flight, server) → list of results

    @contextlib.contextmanager
    def serving(self, start):
        self.options.data_root.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix="bench-", dir=self.options.data_root))
        server = start(directory)
        try:
            yield server
        finally:
            server.stop()

    def measure(self, server, workload, in_flight):
        """One run of the load generator; remembers its line of JSON."""
        command = [self.options.build / "bench/load/matricula_load", "--target", server.target,
                   "--workload", workload, "--in-flight", str(in_flight),
                   "--connections", str(min(self.options.connections, in_flight)),
                   "--warm-up", str(self.options.warm_up), "--duration",
                   str(self.options.duration), "--students", str(self.options.students)]
        before = server.cpu_seconds()
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode != 0:
            fail(f"{workload} on {server.name}: {run.stderr.strip()}\n{server.log()}")
        result = json.loads(run.stdout)
        result["server_cpu_s"] = round(server.cpu_seconds() - before, 3)
        self.samples.setdefault((workload, in_flight, server.name), []).append(result)
        errors = f"  errors {result['errors']}" if result["errors"] else ""
        print(f"  {workload:<22} {in_flight:>5} {server.name:<11} {result['rate']:>8}/s  p99 "
              f"{result['p99_us'] / 1000:.2f} ms{errors}", file=sys.stderr)

    def medians(self, key):
        samples = self.samples[key]
        return {field: statistics.median(sample[field] for sample in samples)
                for field in ("rate", "p50_us", "p99_us", "p999_us")} | {
                    "least": min(sample["rate"] for sample in samples),
                    "most": max(sample["rate"] for sample in samples)}

    def print_table(self, baseline):
        """Compares with the sample of the same round that `baseline(key)` names."""
        print(f"{'workload':<22} {'in flight':>9} {'server':<11} {'rate/s':>8} {'(least-most)':>15} "
              f"{'p50 ms':>8} {'p99 ms':>8} {'p99.9 ms':>9} {'rate':>7} {'p99':>7}")
        for key in self.samples:
            workload, in_flight, name = key
            row = self.medians(key)
            base = self.medians(baseline(key))
            print(f"{workload:<22} {in_flight:>9} {name:<11} {row['rate']:>8.0f} "
                  f"{row['least']:>7.0f}-{row['most']:<7.0f} {row['p50_us'] / 1000:>8.2f} "
                  f"{row['p99_us'] / 1000:>8.2f} {row['p999_us'] / 1000:>9.2f} "
                  f"{row['rate'] / base['rate']:>6.2f}x {row['p99_us'] / base['p99_us']:>6.2f}x")
        print(f"medians of {self.options.rounds} rounds of {self.options.duration:g} s; the last "
              "two columns compare with the first server of the same kind")

    def save(self):
        if self.options.json is None:
            return
        rows = [{"server": name} | sample for (_, _, name), samples in self.samples.items()
                for sample in samples]
        self.options.json.write_text(json.dumps(rows, indent=1) + "\n")


def rounds(options):
    for number in range(1, options.rounds + 1):
        print(f"round {number} of {options.rounds}", file=sys.stderr)
        yield number


def run_portals(bench, options):
    with bench.serving(lambda directory: echo(options, directory)) as bare, bench.serving(
            lambda directory: matriculad(options, directory, portals=True)) as daemon:
        for _ in rounds(options):
            for in_flight in options.in_flight or [64]:
                bench.measure(bare, "echo", in_flight)
                for workload in options.workload or PORTAL_WORKLOADS:
                    bench.measure(daemon, workload, in_flight)
    bench.print_table(lambda key: ("echo", key[1], "echo"))


def run_kv(bench, options):
    if shutil.which("etcd") is None:
        fail("there is no etcd here (Debian package etcd-server)")
    ours = matriculad_replicas if options.replicas > 1 else (
        lambda options, directory: matriculad(options, directory, portals=False))
    with bench.serving(lambda directory: etcd(options, directory)) as stock, bench.serving(
            lambda directory: ours(options, directory)) as daemon:
        for _ in rounds(options):
            for workload in options.workload or KV_WORKLOADS:
                for in_flight in options.in_flight or [1, 64, 256]:
                    bench.measure(stock, workload, in_flight)
                    bench.measure(daemon, workload, in_flight)
    bench.print_table(lambda key: (key[0], key[1], "etcd"))


def run_rpc(bench, options):
    with bench.serving(lambda directory: echo(options, directory)) as bare, bench.serving(
            lambda directory: echo(options, directory, ours=True)) as ours:
        for _ in rounds(options):
            for in_flight in options.in_flight or [1, 64, 256]:
                bench.measure(bare, "echo", in_flight)
                bench.measure(ours, "echo", in_flight)
    bench.print_table(lambda key: ("echo", key[1], "echo"))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["portals", "kv", "cache", "bus", "rpc"])
    parser.add_argument("--build", type=Path, default=ROOT / "build/release",
                        help="where the programs are (default: build/release)")
    parser.add_argument("--matriculad", type=Path, help="another binary than the build's")
    parser.add_argument("--flag", action="append", default=[],
                        help="passed on to matriculad, for example --flag=--mqtt-ingest=off")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=3, help="seconds measured per run")
    parser.add_argument("--warm-up", type=float, default=0.5, help="seconds before, not measured")
    parser.add_argument("--in-flight", type=int, action="append",
                        help="calls under way; may be repeated")
    parser.add_argument("--workload", action="append",
                        help="only this one; may be repeated (matricula_load --help lists them)")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--students", type=int, default=20_000, help="prepared on each server")
    parser.add_argument("--replicas", type=int, default=1, help="kv: members on either side")
    parser.add_argument("--stores", type=int, action="append",
                        help="cache, bus: replicas of the store; may be repeated (default: 3 and 1)")
    parser.add_argument("--data-root", type=Path, default=ROOT / "build/bench-data",
                        help="where data directories are made; a real disk")
    parser.add_argument("--json", type=Path, help="every run's result goes there, too")
    return parser.parse_args()


def main():
    import bus  # pylint: disable=import-outside-toplevel
    options = parse_arguments()
    options.build = options.build.resolve()
    options.data_root = options.data_root.resolve()
    bench = Bench(options)
    options.stores = options.stores or [3, 1]
    modes = {"portals": run_portals, "kv": run_kv, "rpc": run_rpc, "cache": bus.run_cache,
             "bus": bus.run_bus}
    modes[options.mode](bench, options)
    bench.save()


if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]  # for bus.py
    main()
