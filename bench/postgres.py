#!/usr/bin/env python3
"""Enrollments through the portal of three replicas, against PostgreSQL on one node doing the same
job: a row lock on the class, the seats counted, the enrollment unique, every commit synced.

  bench/postgres.py [--rounds N] [--duration S] [--in-flight N] [--replicas N]

Both run on loopback and in turn, PostgreSQL under its own pgbench (prepared statements, one call of
a stored function per enrollment), ours under matricula_load. Every request enrolls another student:
nobody is refused. Both need the Debian package postgresql-15, and a real disk under --data-root.
"""

import argparse
import contextlib
import json
import os
import pwd
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import replicas
from run import ROOT, fail

BIN = Path("/usr/lib/postgresql/15/bin")
CLASSES = 200
STUDENTS = 400_000

SCHEMA = f"""
CREATE TABLE aluno (matricula text PRIMARY KEY, nome text NOT NULL);
CREATE TABLE turma (sigla text PRIMARY KEY, vagas int NOT NULL, ocupadas int NOT NULL DEFAULT 0);
CREATE TABLE matricula (sigla text REFERENCES turma, aluno text REFERENCES aluno,
                        em timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (sigla, aluno));
INSERT INTO aluno SELECT 'A' || i, 'aluno ' || i FROM generate_series(0, {STUDENTS - 1}) i;
INSERT INTO turma SELECT 'T' || i, 1000000 FROM generate_series(0, {CLASSES - 1}) i;
CREATE FUNCTION matricular(s text, a text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE lugar turma%ROWTYPE;
BEGIN
  SELECT * INTO lugar FROM turma WHERE sigla = s FOR UPDATE;
  IF NOT FOUND THEN RETURN 'sem disciplina'; END IF;
  IF lugar.ocupadas >= lugar.vagas THEN RETURN 'sem vagas'; END IF;
  INSERT INTO matricula (sigla, aluno) VALUES (s, a) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN RETURN 'repetida'; END IF;
  UPDATE turma SET ocupadas = ocupadas + 1 WHERE sigla = s;
  RETURN 'ok';
END $$;
VACUUM ANALYZE;
"""

# `first` and `step` keep apart the students of different clients and runs.
SCRIPTS = {
    "adiciona-hot": "\\set n :n + 1\n\\set a :first + :n * :clients + :client_id\n"
                    "SELECT matricular('T0', 'A' || :a);\n",
    "adiciona-spread": "\\set n :n + 1\n\\set a :first + :n * :clients + :client_id\n"
                       f"\\set t 1 + :a % {CLASSES - 1}\n"
                       "SELECT matricular('T' || :t, 'A' || :a);\n",
}


class Postgres:
    name = "postgres"

    def __init__(self, directory):
        self.directory = directory
        self.user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
        if os.getuid() != 0:
            self.user = []
        else:
            owner = pwd.getpwnam("postgres")
            os.chown(directory, owner.pw_uid, owner.pw_gid)
        self.next_student = 0
        self.run(BIN / "initdb", "--pgdata", directory / "data", "--auth", "trust")
        self.run(BIN / "pg_ctl", "--pgdata", directory / "data", "--wait", "--log",
                 directory / "log", "--options", f"-k {directory} -h '' -c max_connections=300 "
                 "-c shared_buffers=512MB -c synchronous_commit=on -c fsync=on", "start")
        schema = directory / "schema.sql"
        schema.write_text(SCHEMA)
        self.run(BIN / "psql", "--host", directory, "--quiet", "--no-psqlrc", "--dbname",
                 "postgres", "--set", "ON_ERROR_STOP=1", "--file", schema)

    def run(self, *command):
        done = subprocess.run([*self.user, *command], cwd=self.directory, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            fail(f"{Path(command[0]).name}: {done.stdout[-2000:]}")
        return done.stdout

    def measure(self, workload, options):
        script = self.directory / "script.sql"
        script.write_text(SCRIPTS[workload])
        said = self.run(
            BIN / "pgbench", "--host", self.directory, "--no-vacuum", "--protocol", "prepared",
            "--client", str(options.in_flight), "--jobs", "2", "--time",
            str(max(1, round(options.duration))), "--file", script, "--log", "--log-prefix",
            self.directory / "calls", "--define", "n=0", "--define",
            f"clients={options.in_flight}", "--define", f"first={self.next_student}", "postgres")
        latencies = []
        for path in self.directory.glob("calls.*"):
            latencies += [int(line.split()[2]) for line in path.read_text().splitlines()]
            path.unlink()
        # Clients do not all do equally much: leave room for the busiest.
        self.next_student += 4 * len(latencies)
        if self.next_student > STUDENTS // 2:
            self.run(BIN / "psql", "--host", self.directory, "--quiet", "--dbname", "postgres",
                     "--command", "TRUNCATE matricula")
            self.next_student = 0
        latencies.sort()
        rate = float(re.search(r"tps = ([0-9.]+)", said).group(1))
        return {"rate": rate, "p50_us": latencies[len(latencies) // 2],
                "p99_us": latencies[len(latencies) * 99 // 100]}

    def stop(self):
        self.run(BIN / "pg_ctl", "--pgdata", self.directory / "data", "--mode", "fast", "stop")


class Ours:
    name = "matriculad"

    def __init__(self, directory, count):
        addresses = list(zip(*[iter(replicas.free_addresses(3 * count))] * 3))
        self.log = open(directory / "log", "wb")
        self.group = replicas.Group(addresses, directory, ["--mqtt", "off"])
        for replica in self.group.replicas:
            replica.start(self.log)
        if not self.group.wait_serving():
            fail(f"the replicas do not serve:\n{(directory / 'log').read_text()[-2000:]}")

    def measure(self, workload, options):
        leader = self.group.leader()
        done = subprocess.run(
            [options.build / "bench/load/matricula_load", "--target", leader.listen, "--workload",
             workload, "--in-flight", str(options.in_flight), "--warm-up", "0.3", "--duration",
             str(options.duration), "--students", "30000", "--classes", str(CLASSES)],
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            fail(f"{workload}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def stop(self):
        self.group.stop()
        self.log.close()


@contextlib.contextmanager
def serving(root, make):
    root.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=root))
    os.chmod(directory, 0o755)
    server = make(directory)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", type=float, default=3)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--replicas", type=int, default=3, choices=(1, 3, 5))
    # Not below /root or a home: PostgreSQL's own user must get there.
    parser.add_argument("--data-root", type=Path, default=Path("/var/tmp"))
    options = parser.parse_args()
    if not BIN.is_dir():
        fail("there is no PostgreSQL 15 here (Debian package postgresql-15)")
    samples = {}
    with serving(options.data_root, Postgres) as postgres, serving(
            options.data_root, lambda directory: Ours(directory, options.replicas)) as ours:
        for number in range(1, options.rounds + 1):
            print(f"round {number} of {options.rounds}", file=sys.stderr)
            for workload in SCRIPTS:
                for server in (postgres, ours):
                    time.sleep(0.2)
                    samples.setdefault((workload, server.name), []).append(
                        server.measure(workload, options))
    print(f"{'workload':<16} {'server':<11} {'rate/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'rate':>7}")
    for (workload, name), runs in samples.items():
        median = {field: statistics.median(run[field] for run in runs)
                  for field in ("rate", "p50_us", "p99_us")}
        base = statistics.median(run["rate"] for run in samples[(workload, "postgres")])
        print(f"{workload:<16} {name:<11} {median['rate']:>8.0f} {median['p50_us'] / 1000:>8.2f} "
              f"{median['p99_us'] / 1000:>8.2f} {median['rate'] / base:>6.2f}x")
    print(f"medians of {options.rounds} rounds of {options.duration:g} s, {options.in_flight} in "
          f"flight; PostgreSQL 15 on one node, matriculad on {options.replicas}")


if __name__ == "__main__":
    main()
