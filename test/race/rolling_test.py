#!/usr/bin/env python3
"""A registration day on which every process is restarted, one after the other and round after
round, as an upgrade restarts them: no client that tries a request once more, at another portal,
loses it, and no seat is sold twice.

MATRICULA_STUDENTS (default 1500) and MATRICULA_SPEED (default 120: the day's hour takes 30 seconds)
say how large a day it is: `MATRICULA_STUDENTS=20000 MATRICULA_SPEED=20 ctest -V -R rolling` plays
one of a whole university."""
import json
import os
import subprocess
import time
import unittest

import racing
from racing import harness

import cluster  # found where racing.py has found harness

STUDENTS = int(os.environ.get("MATRICULA_STUDENTS", "1500"))
SPEED = os.environ.get("MATRICULA_SPEED", "120")
SIZE = ["--students", str(STUDENTS), "--classes", str(STUDENTS // 8), "--seed", "11"]
# Longer than any restart holds a request up: a try that is cut short would be no fault of ours.
TRY_MS = "30000"
# Longer than a channel of the client's waits until it tries again to reach who is back: while all of
# them wait, a request has nobody to turn to. Half a second was too little on a busy machine.
REST_S = 1
# One that was away while the whole university enrolled takes its time to catch up.
WELL_TIMEOUT_S = 120
# Of the log, where a replica may be while load goes on; one that has just come back is thousands.
LAG_ENTRIES = 1000


class RollingTest(racing.TestCase, cluster.Case):
    def start_all(self):
        self.broker = self.manage(harness.Mosquitto()).start()
        self.bus = ("--mqtt", self.broker.url)
        self.replicas = self.start_three(flags=self.bus)
        self.store = ",".join(replica.kv_listen for replica in self.replicas)
        self.portals = [self.server("portal", number) for number in range(2)]
        self.admin = self.server("admin", 0)

    def server(self, role, number):
        process = harness.Matriculad(self.bus, roles=[role], kv=self.store,
                                     name=role + str(number))
        return self.manage(process).start()

    def ctl(self, *arguments):
        return harness.ctl("--server", self.admin.listen, "--portal", self.portals[0].listen,
                           "--kv", self.store, *arguments, timeout_s=600)

    def succeed(self, *arguments):
        done = self.ctl(*arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def all_well(self):
        """As the manual tells the operator to look: only then the next one."""
        run = self.ctl("--json", "status")
        members = [json.loads(line) for line in run.stdout.splitlines()]
        return run.returncode == 0 and all(m["atraso"] < LAG_ENTRIES for m in members)

    def restart(self, process):
        self.assertEqual(process.stop(), 0, process.log_tail())
        process.start()
        harness.wait_until(self.all_well, WELL_TIMEOUT_S, "all to be well")
        time.sleep(REST_S)

    def everyone(self):
        """In the order in which they are restarted: the leader is the last of the replicas."""
        replicas = sorted(self.replicas, key=lambda replica: replica.leads())
        return [*self.portals, *replicas, self.admin, self.broker]

    def play(self):
        """The day while everything is restarted; its report, and how many restarts there were."""
        report = os.path.join(harness.temporary_directory(), "report.json")
        day = subprocess.Popen(
            [racing.DAY, "run", "--server", ",".join(portal.listen for portal in self.portals),
             *SIZE, "--no-load", "--speed", SPEED, "--tries", "2", "--call-timeout-ms", TRY_MS,
             "--quiet", "--json", report], stdin=subprocess.DEVNULL)
        restarts, waiting = 0, []
        try:
            while day.poll() is None:
                waiting = waiting or self.everyone()
                self.restart(waiting.pop(0))
                restarts += day.poll() is None
            self.assertEqual(day.returncode, 0)
        finally:
            day.kill()
            day.wait()
        with open(report, encoding="utf-8") as file:
            return json.load(file), restarts

    def assert_bus_goes_on(self):
        with subprocess.Popen(
                ["mosquitto_sub", "-p", str(self.broker.port), "-t", "portal/admin/aluno/create",
                 "-C", "1", "-W", "20"], stdout=subprocess.PIPE, encoding="utf-8") as listener:
            time.sleep(0.5)
            self.succeed("aluno", "create", "12121BSI999", "Vera Exemplo")
            self.assertIn("12121BSI999", listener.communicate()[0])

    def test_nobody_loses_a_request_or_a_seat(self):
        self.start_all()
        folder = harness.temporary_directory()
        self.run_program(racing.DAY, "generate", folder, *SIZE)
        self.succeed("import", folder)
        report, restarts = self.play()
        print("%d restarts; %d requests, %d of them tried twice"
              % (restarts, report["requests"]["all"], report["requests"]["retried"]))
        # On a slow machine the day is over before it is the turn of all.
        self.assertGreaterEqual(restarts, 1)
        self.assertEqual(report["unknown"], 0)
        self.assertEqual(report["checks"]["reports_lost"], 0)
        self.assertEqual(report["checks"]["findings"], {})
        self.assertGreater(report["requests"]["retried"], 0)
        self.assertGreater(report["ok"]["enrolls"], 2 * STUDENTS)
        self.assertGreater(report["refused"]["não há vagas na disciplina"], 0)
        self.succeed("check")
        self.assert_equal_hashes(self.replicas)
        self.assert_bus_goes_on()


if __name__ == "__main__":
    unittest.main()
