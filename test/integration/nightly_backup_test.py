"""The nightly copy: what matriculad-backup.service runs, with the settings of backup.env."""

import os
import re
import subprocess
import unittest

import harness

CONFIG = os.path.join(harness.SOURCE, "config")


def unit(name):
    with open(os.path.join(CONFIG, "systemd", name), encoding="utf-8") as file:
        return dict(re.findall(r"^(\w+)=(.*)$", file.read(), re.MULTILINE))


def program():
    """What the service runs, as it lies in the source tree."""
    return os.path.join(CONFIG, "backup", os.path.basename(unit("matriculad-backup.service")["ExecStart"]))


class NightlyBackup(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = harness.temporary_directory()

    def night(self, server, **settings):
        return subprocess.run(
            [program()], capture_output=True, encoding="utf-8", timeout=60, check=False,
            env=harness.clean_environment(
                MATRICULAD_PROGRAM=harness.BINARY, MATRICULAD_KV=server.kv_listen,
                BACKUP_FOLDER=self.folder, **settings))

    def copies(self):
        return sorted(os.listdir(self.folder))

    def test_it_keeps_as_many_as_it_is_told(self):
        server = self.start_server(roles=["kv-replica"])
        strangers = ["matriculad-notes.txt", "other.backup"]
        old = ["matriculad-2025010%dT030000Z.backup" % day for day in range(1, 5)]
        for name in strangers + old:
            open(os.path.join(self.folder, name), "w", encoding="utf-8").close()
        run = self.night(server, BACKUP_KEEP="3")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        kept = [name for name in self.copies() if name not in strangers]
        self.assertEqual(kept[:2], old[2:])
        self.assertEqual(len(kept), 3)
        self.assertEqual([name for name in strangers if name not in self.copies()], [])
        verify = harness.ctl("verify", os.path.join(self.folder, kept[2]))
        self.assertEqual(verify.returncode, 0, verify.stderr)

    def test_a_night_without_a_copy_costs_no_older_one(self):
        server = self.start_server(roles=["kv-replica"])
        old = "matriculad-20250101T030000Z.backup"
        open(os.path.join(self.folder, old), "w", encoding="utf-8").close()
        for keep in ("0", "-1", "many", "01"):
            self.assertEqual(self.night(server, BACKUP_KEEP=keep).returncode, 2)
        server.kill()
        run = self.night(server, BACKUP_KEEP="1")
        self.assertEqual(run.returncode, 69, run.stdout + run.stderr)
        self.assertEqual(self.copies(), [old])

    def test_the_settings_shown_are_the_defaults(self):
        with open(os.path.join(CONFIG, "backup.env"), encoding="utf-8") as file:
            shown = dict(re.findall(r"^#(\w+)=(.*)$", file.read(), re.MULTILINE))
        with open(program(), encoding="utf-8") as file:
            used = dict(re.findall(r"\$\{(BACKUP_\w+):-([^}]*)\}", file.read()))
        self.assertEqual({key: shown[key] for key in used}, used)
        self.assertIn("padrão: " + shown["MATRICULAD_KV"], harness.ctl("--help").stdout)
        self.assertEqual(unit("matriculad-backup.service")["ReadWritePaths"].lstrip("-"),
                         used["BACKUP_FOLDER"])


if __name__ == "__main__":
    unittest.main()
