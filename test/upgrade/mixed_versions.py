#!/usr/bin/env python3
"""A system of one version becomes one of another, process by process, on a registration day.

usage: mixed_versions.py OLD NEW     paths of two builds of matriculad; ./dev test-upgrade has them,
                                     and names the other programs in the environment
"""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
OLD, NEW = (os.path.abspath(path) for path in sys.argv[1:3]) if len(sys.argv) > 2 else ("", "")
os.environ["MATRICULAD"] = NEW
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "race"))

# pylint: disable=wrong-import-position
import rolling_test
from racing import harness

import cluster  # found where racing.py has found harness


def build_of(process):
    return os.readlink("/proc/%d/exe" % process.pid)


def compares(binary):
    """Whether that build's replicas compare their states."""
    said = subprocess.run([binary, "--help"], capture_output=True, encoding="utf-8", check=False)
    return "--rebuild" in said.stdout


class MixedVersions(rolling_test.RollingTest):
    def start_all(self):
        harness.BINARY = OLD
        super().start_all()
        harness.BINARY = NEW

    def restart(self, process):
        """As its base does it; the program is another one when it comes back the first time."""
        upgraded = process.command[0] == OLD
        if upgraded:
            self.assertEqual(build_of(process), os.path.realpath(OLD))
            process.command[0] = NEW
        super().restart(process)
        if upgraded:
            self.assertEqual(build_of(process), os.path.realpath(NEW))
            print("%s is of the new build" % process.name, flush=True)

    def test_nobody_loses_a_request_or_a_seat(self):
        super().test_nobody_loses_a_request_or_a_seat()
        for process in [*self.replicas, *self.portals, self.admin]:
            self.assertEqual(process.command[0], NEW)
        self.assert_that_states_are_compared()

    def assert_that_states_are_compared(self):
        """Whatever the old build knew of that, as soon as all are new it works: a row that is
        changed on one disk gets its replica named."""
        one, other = self.replicas[:2]
        self.put(one, "altered", "as it was")
        if not compares(OLD):
            harness.wait_until(lambda: "state.compared_anew" in one.log(),
                               what="a common beginning")
        member_id = one.status()["id"]
        one.stop()
        cluster.data_tool(one.data, "alter", "altered", "another one")
        one.start()
        self.put(other, "altered", "as it is now")
        harness.wait_until(
            lambda: "memberID:%d alarm:CORRUPT" % member_id
            in cluster.etcdctl(other.kv_listen, "alarm", "list").stdout, what="the alarm")

    def test_a_copy_of_the_old_build_is_restored_by_the_new_one(self):
        harness.BINARY = OLD
        server = self.start_server()
        self.assertEqual(server.ctl("import", harness.SAMPLE).returncode, 0)
        folder = harness.temporary_directory()
        copy, data = os.path.join(folder, "copy"), os.path.join(folder, "data")
        self.assertEqual(server.ctl("backup", copy).returncode, 0)
        said = server.ctl("relatorio", "disciplina", "GSI010").stdout
        server.stop()
        harness.BINARY = NEW
        restore = harness.ctl("restore", copy, "--data", data)
        self.assertEqual(restore.returncode, 0, restore.stderr)
        restored = self.start_server(data=data)
        self.assertEqual(restored.ctl("relatorio", "disciplina", "GSI010").stdout, said)
        self.assertEqual(restored.ctl("check").returncode, 0)

    def test_the_old_build_serves_the_data_of_the_new_one_or_says_why_not(self):
        server = self.start_server()
        self.assertEqual(server.ctl("import", harness.SAMPLE).returncode, 0)
        said = server.ctl("relatorio", "disciplina", "GSI010").stdout
        server.stop()
        server.command[0] = OLD
        server.launch()
        harness.wait_until(lambda: not server.running() or server.is_serving(), what="an answer")
        if server.running():
            self.assertEqual(server.ctl("relatorio", "disciplina", "GSI010").stdout, said)
            return
        self.assertEqual(server.wait(), 78)
        self.assertIn("was written by a newer version of this program", server.log())


def load_tests(loader, _tests, _pattern):
    """Only what stands here: what the bases test by themselves is run elsewhere."""
    own = [name for name in vars(MixedVersions) if name.startswith("test_")]
    return loader.suiteClass(MixedVersions(name) for name in own)


if __name__ == "__main__":
    if not NEW:
        sys.exit(__doc__)
    sys.argv[1:3] = []
    harness.main()
