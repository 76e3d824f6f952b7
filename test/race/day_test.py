#!/usr/bin/env python3
"""A registration day in small, as `./dev demo` plays it in full: generated, imported by
`matriculad ctl import`, played, audited, checked."""
import csv
import json
import os
import sys
import unittest

import racing
from racing import harness

SIZE = ["--students", "1500", "--classes", "190", "--seed", "7"]


class DayTest(racing.TestCase):
    def play(self, server, *arguments):
        report = os.path.join(harness.temporary_directory(), "report.json")
        self.run_program(racing.DAY, "run", "--server", server.listen, *SIZE, "--speed", "300",
                         "--quiet", "--json", report, *arguments)
        with open(report, encoding="utf-8") as file:
            return json.load(file)

    def assert_no_names(self, server, folder):
        """What is logged is read by many; what students are called is not for all of them."""
        with open(os.path.join(folder, "alunos.csv"), encoding="utf-8") as file:
            students = list(csv.DictReader(file))
        names = {student["nome"] for student in students}
        self.assertGreater(len(names), 500)
        log = server.log()
        self.assertIn("call.slow method=project.PortalMatricula/AdicionaAluno", log)
        self.assertRegex(log, r"store.slow_request kind=txn ms=\d+ queue_ms=\d+ raft_ms=\d+ sync_ms")
        self.assertEqual([name for name in names if name in log], [])

    def test_imported_day(self):
        server = self.start_server("--slow-request-ms", "1")
        folder = harness.temporary_directory()
        self.run_program(racing.DAY, "generate", folder, *SIZE)
        done = server.ctl("import", folder)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        report = self.play(server, "--no-load")
        self.assertGreater(report["ok"]["enrolls"], 4000)
        self.assertGreater(report["refused"]["não há vagas na disciplina"], 500)
        self.assertEqual(report["unknown"], 0)
        self.assertEqual(report["checks"]["classes"], 190)
        self.assert_consistent(server)
        self.assert_no_names(server, folder)

    def test_day_that_loads_itself(self):
        server = self.start_server()
        report = self.play(server)
        self.assertEqual(report["loaded"]["records"], 1500 + 95 + 190 + 190)
        self.assertEqual(report["loaded"]["refused"], {})
        self.assert_consistent(server)

    def test_day_on_three_replicas_whose_leader_is_killed(self):
        demo = os.path.join(harness.SOURCE, "bench", "day", "demo.py")
        self.run_program(sys.executable, "-B", demo, "--replicas", "3", "--kill", "--quiet",
                         "--students", "500", "--classes", "60", "--speed", "600")


if __name__ == "__main__":
    unittest.main()
