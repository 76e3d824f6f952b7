"""Every file in config/ is what it says it is, by the program that will read it."""

import json
import os
import re
import subprocess
import unittest

import harness

CONFIG = os.path.join(harness.SOURCE, "config")


def run(*command, **options):
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=False,
                          **options)


class PrometheusTest(unittest.TestCase):
    def promtool(self, *arguments):
        result = run("promtool", *arguments, cwd=os.path.join(CONFIG, "prometheus"))
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_the_scrape_configuration_is_valid(self):
        self.promtool("check", "config", "prometheus.yml")

    def test_alerts_fire_when_they_should(self):
        self.promtool("check", "rules", "alerts.yml")
        self.promtool("test", "rules", "alerts_test.yml")

    def alerts(self):
        with open(os.path.join(CONFIG, "prometheus", "alerts.yml"), encoding="utf-8") as file:
            return [line.split(": ")[1].strip() for line in file if "- alert: " in line]

    def test_the_manual_says_what_to_do_at_each_alert(self):
        with open(os.path.join(harness.SOURCE, "docs", "operations.md"), encoding="utf-8") as file:
            chapter = file.read().split("\n## At each alert\n")[1].split("\n## ")[0]
        self.assertEqual(re.findall(r"^\| `(Matriculad\w+)` \| \S", chapter, re.MULTILINE),
                         self.alerts())

    def test_every_alert_is_tested(self):
        alerts = self.alerts()
        with open(os.path.join(CONFIG, "prometheus", "alerts_test.yml"), encoding="utf-8") as file:
            tests = file.read()
        self.assertGreater(len(alerts), 8)
        self.assertEqual([alert for alert in alerts if alert not in tests], [])


class DashboardTest(unittest.TestCase):
    def test_every_panel_asks_something_that_prometheus_understands(self):
        with open(os.path.join(CONFIG, "grafana", "matriculad.json"), encoding="utf-8") as file:
            dashboard = json.load(file)
        expressions = [target["expr"] for panel in dashboard["panels"]
                       for target in panel.get("targets", [])]
        self.assertGreater(len(expressions), 20)
        rules = [{"record": "dashboard:panel%d" % number,
                  "expr": expr.replace("$__rate_interval", "1m").replace("$job", "matriculad")}
                 for number, expr in enumerate(expressions)]
        path = os.path.join(harness.temporary_directory(), "rules.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)  # JSON is YAML
        result = run("promtool", "check", "rules", path)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


class SystemdTest(unittest.TestCase):
    UNITS = {"matriculad": "matriculad.conf", "matriculad-admin": "admin.conf",
             "matriculad-portal": "portal.conf", "matriculad-kv-replica": "kv-replica.conf"}
    MOST_EXPOSED = 1.5

    def path(self, unit):
        return os.path.join(CONFIG, "systemd", unit + ".service")

    def value(self, unit, key):
        with open(self.path(unit), encoding="utf-8") as file:
            return [line.split("=", 1)[1].strip() for line in file if line.startswith(key + "=")]

    def test_every_role_has_a_unit(self):
        files = sorted(name for name in os.listdir(os.path.join(CONFIG, "systemd"))
                       if name.startswith("matriculad") and name.endswith(".service")
                       and "backup" not in name)
        self.assertEqual(files, sorted(unit + ".service" for unit in self.UNITS))
        for unit, conf in self.UNITS.items():
            command = self.value(unit, "ExecStart")
            self.assertEqual(command, ["/usr/bin/matriculad --config /etc/matriculad/" + conf])
            self.assertTrue(os.path.exists(os.path.join(CONFIG, conf)))

    def test_systemd_finds_nothing_wrong(self):
        folder = harness.temporary_directory()
        for unit in self.UNITS:
            with open(self.path(unit), encoding="utf-8") as file:
                text = file.read().replace("/usr/bin/matriculad", harness.BINARY)
            copy = os.path.join(folder, unit + ".service")
            with open(copy, "w", encoding="utf-8") as file:
                file.write(text)
            result = run("systemd-analyze", "verify", "--man=no", copy)
            self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_units_expose_little(self):
        for unit in self.UNITS:
            result = run("systemd-analyze", "security", "--offline=yes",
                         "--threshold=%d" % (self.MOST_EXPOSED * 10), self.path(unit))
            self.assertEqual(result.returncode, 0, result.stdout[-300:] + result.stderr)

    def test_what_cannot_mend_itself_is_not_started_again(self):
        for unit in self.UNITS:
            self.assertEqual(self.value(unit, "Type"), ["notify"])
            self.assertEqual(self.value(unit, "Restart"), ["on-failure"])
            self.assertEqual(self.value(unit, "RestartPreventExitStatus"), ["2 78"])
            self.assertNotEqual(self.value(unit, "WatchdogSec"), [])


class ExitCodeTest(harness.TestCase):
    """What ends a process, by its code, and whether the units start it again."""

    FOR_A_PERSON = {2, 78}
    MENDS_ITSELF = {69, 74}  # 74: limits_test.py and ctl_status_test.py let a disk fail

    def end(self, *arguments, **options):
        process = self.manage(harness.Matriculad(arguments, **options)).launch()
        code = process.wait()
        self.assertEqual(len(process.log().splitlines()), 1, process.log())
        return code

    def test_each_end_has_its_code(self):
        config = os.path.join(harness.temporary_directory(), "wrong.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write("listen = 12\n")
        self.assertEqual(self.end("--config", config), 2)
        self.assertEqual(self.end("--config", config + ".not-there"), 2)

        server = self.start_server(roles=["kv-replica"])
        self.assertEqual(self.end(data=server.data, roles=["kv-replica"]), 78)  # in use
        self.assertEqual(self.end("--metrics-listen", server.kv_listen, roles=["kv-replica"]), 69)
        server.stop()
        with open(os.path.join(server.data, "CURRENT"), "w", encoding="utf-8") as file:
            file.write("damaged")
        self.assertEqual(self.end(data=server.data, roles=["kv-replica"]), 78)

    def test_units_and_manuals_agree(self):
        with open(os.path.join(harness.SOURCE, "docs", "man", "matriculad.8"),
                  encoding="utf-8") as file:
            status = file.read().split(".SH EXIT STATUS")[1].split(".SH ")[0]
        codes = {int(code) for code in re.findall(r"^\.B (\d+)$", status, re.MULTILINE)}
        self.assertEqual(codes, {0} | self.FOR_A_PERSON | self.MENDS_ITSELF)
        with open(os.path.join(harness.SOURCE, "docs", "operations.md"), encoding="utf-8") as file:
            self.assertIn("2 and 78 wait for you (settings; data), 69 and 74 are tried again",
                          file.read())
        for unit in SystemdTest.UNITS:
            with open(os.path.join(CONFIG, "systemd", unit + ".service"), encoding="utf-8") as file:
                prevented = re.search(r"^RestartPreventExitStatus=(.*)$", file.read(), re.MULTILINE)
            self.assertEqual({int(code) for code in prevented[1].split()}, self.FOR_A_PERSON)


class BrokerTest(unittest.TestCase):
    def test_mosquitto_takes_its_configuration(self):
        folder = harness.temporary_directory()
        with open(os.path.join(CONFIG, "mosquitto.conf"), encoding="utf-8") as file:
            lines = file.read().splitlines()
        port = harness.free_port()
        certificate, key = os.path.join(folder, "crt"), os.path.join(folder, "key")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-subj", "/CN=localhost", "-days", "2", "-out", certificate, "-keyout", key)
        passwords = os.path.join(folder, "passwords")
        run("mosquitto_passwd", "-b", "-c", passwords, "matriculad", "segredo")
        # As it is, but for what belongs to the machine that it is meant for.
        places = {"listener": "listener %d 127.0.0.1" % port, "cafile": "cafile " + certificate,
                  "certfile": "certfile " + certificate, "keyfile": "keyfile " + key,
                  "password_file": "password_file " + passwords,
                  "acl_file": "acl_file " + os.path.join(CONFIG, "mosquitto.acl"),
                  "persistence": "persistence true\npersistence_location %s/" % folder}
        changed = [places.get(line.split(" ")[0], line) for line in lines]
        config = os.path.join(folder, "mosquitto.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write("\n".join(changed + ["user root"]) + "\n")
        broker = harness.Process("mosquitto", ["/usr/sbin/mosquitto", "-c", config], folder)
        broker.launch()
        try:
            harness.wait_until(lambda: " running" in broker.log() or not broker.running(),
                               what="the broker")
            self.assertTrue(broker.running(), broker.log())
            self.assertNotIn("Error", broker.log())
        finally:
            broker.kill()


class SampleTest(unittest.TestCase):
    def test_matriculad_takes_every_sample(self):
        for name in sorted(os.listdir(CONFIG)):
            if not name.endswith(".conf") or name == "mosquitto.conf":
                continue
            path = os.path.join(CONFIG, name)
            result = run(harness.BINARY, "--config", path, "--check-config",
                         env=harness.clean_environment())
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "ok\n", ""))
            shown = run(harness.BINARY, "--config", path, "--print-config",
                        env=harness.clean_environment(MATRICULAD_LOG_LEVEL="debug"))
            self.assertRegex(shown.stdout, 'log-level = "debug" +# environment')
            self.assertRegex(shown.stdout, 'drain-ms = "0" +# default')

    def test_a_mistake_is_one_sentence_with_its_place(self):
        path = os.path.join(harness.temporary_directory(), "wrong.conf")
        for text, sentence in (
                ("# a comment\nlog-levle = \"info\"\n", ":2: unknown key log-levle"),
                ("\n\nmin-length = \"many\"\n",
                 ":3: min-length: 'many' is not a whole number from 1 to 256"),
                ("role = \"portal\"\n",
                 "without the role kv-replica, --kv must say where the store is")):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            result = run(harness.BINARY, "--config", path, "--check-config",
                         env=harness.clean_environment())
            self.assertEqual(result.returncode, 2)
            place = path if sentence.startswith(":") else ""
            self.assertEqual(result.stderr, "matriculad: %s%s\n" % (place, sentence))

    def test_every_file_is_known_to_some_test(self):
        # sample/ is imported by the tests of `ctl import` and of the README; what the package
        # installs besides is in the tests of the package.
        known = {"backup", "backup.env", "admin.conf", "portal.conf", "kv-replica.conf",
                 "matriculad.conf", "mosquitto.conf", "mosquitto.acl", "debian-packages.txt"}
        folders = {"sample", "systemd", "prometheus", "grafana"}
        found = set(os.listdir(CONFIG))
        self.assertEqual({name for name in found
                          if os.path.isfile(os.path.join(CONFIG, name))} - known, set())
        self.assertLessEqual(folders, found)


if __name__ == "__main__":
    unittest.main()
