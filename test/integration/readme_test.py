"""Runs every command block of README.md, in order, as a newcomer would type it.

Blocks that are marked as `sh` are run by one bash, one after the other. The two commands of `./dev`
cannot be run from within themselves: for `./dev up` the program under test is started in its place
(with a broker beside it), and `./dev test` is what is running this test.
"""

import os
import re
import shutil
import subprocess
import unittest

import harness

FENCE = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks():
    with open(os.path.join(harness.SOURCE, "README.md"), encoding="utf-8") as readme:
        return FENCE.findall(readme.read())


def commands(block):
    lines = [line for line in block.splitlines() if line.strip()]
    return [line.split("  #")[0].rstrip() for line in lines]


class Readme(harness.TestCase):
    def script(self, server, broker_port):
        """All blocks as one script. Default ports are the newcomer's, so they are replaced."""
        lines = ["set -e", "shopt -s expand_aliases",
                 "export MATRICULAD_SERVER=%s" % server.listen]
        for block in blocks():
            for command in commands(block):
                if command.startswith("./dev "):
                    self.assertIn(command, ("./dev up", "./dev test"))
                    continue
                if command.startswith("alias matriculad="):
                    command = "alias matriculad='%s'" % harness.BINARY
                command = command.replace("matriculad ctl ", "matriculad ctl --kv %s " % server.kv_listen)
                command = command.replace("mosquitto_pub ", "mosquitto_pub -p %d " % broker_port)
                lines += ["echo '$ %s'" % command.replace("'", "'\\''"), command]
        return "\n".join(lines) + "\n"

    @staticmethod
    def remove_leftovers():
        for name in ("export", "restored"):
            shutil.rmtree("/tmp/matricula-" + name, ignore_errors=True)
        if os.path.exists("/tmp/matricula-backup"):
            os.remove("/tmp/matricula-backup")

    def test_every_command_block(self):
        self.assertGreaterEqual(len(blocks()), 6, "README.md has lost its command blocks")
        broker = self.manage(harness.Mosquitto()).start()
        server = self.start_server("--mqtt", broker.url)
        self.remove_leftovers()
        self.addCleanup(self.remove_leftovers)
        run = subprocess.run(["bash", "-c", self.script(server, broker.port)],
                             cwd=harness.SOURCE, capture_output=True, text=True, timeout=120,
                             env=harness.clean_environment(), check=False)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertIn("Vera Exemplo", run.stdout)
        with server.channel() as channel:
            stub = harness.admin(channel)
            harness.wait_until(
                lambda: stub.ObtemAluno(harness.pb().Identificador(id="12121BSI998")).nome ==
                "Otto de Teste", what="what mosquitto_pub asked for")


if __name__ == "__main__":
    unittest.main()
