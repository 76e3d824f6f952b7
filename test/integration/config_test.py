"""Every file in config/ is what it says it is, by the program that will read it."""

import json
import os
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

    def test_every_alert_is_tested(self):
        with open(os.path.join(CONFIG, "prometheus", "alerts.yml"), encoding="utf-8") as file:
            alerts = [line.split(": ")[1].strip() for line in file if "- alert: " in line]
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


if __name__ == "__main__":
    unittest.main()
