"""What the race, kill and day tests share: a server, the programs that play against it, and the
check of the whole store afterwards. The programs come from the environment: MATRICULAD,
MATRICULA_RACE, MATRICULA_DAY."""

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))
import harness  # noqa: E402

RACE = os.environ.get("MATRICULA_RACE", "")
DAY = os.environ.get("MATRICULA_DAY", "")
RUSH = os.environ.get("MATRICULA_RUSH", "")


class TestCase(harness.TestCase):
    def run_program(self, *command, timeout_s=500):
        """Runs a program to its successful end, shows what it says, and returns that."""
        assert command[0], "MATRICULA_RACE and MATRICULA_DAY must name the programs"
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                              encoding="utf-8", timeout=timeout_s, check=False)
        print(done.stdout, flush=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def assert_consistent(self, server):
        """The seat invariant over the whole store: seats taken, rosters and reverse indexes."""
        done = server.ctl("check")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
