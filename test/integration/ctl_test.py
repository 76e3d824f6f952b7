"""`matriculad ctl` as people and scripts run it, against a running matriculad."""

import json
import os
import pty
import re
import signal
import subprocess
import time

import harness

OK, REFUSED, USAGE, UNREACHABLE, INTERRUPTED = 0, 1, 2, 69, 130


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def many_alunos(count):
    lines = ["11921BSI%05d,Aluno de teste" % i for i in range(count)]
    return "matricula,nome\n" + "\n".join(lines) + "\n"


class CtlTest(harness.TestCase):

    def setUp(self):
        super().setUp()
        self.server = self.start_server()
        self.folder = harness.temporary_directory()

    def run_ctl(self, *arguments, code=OK, **options):
        result = self.server.ctl(*arguments, **options)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result

    def run_json(self, *arguments, code=OK, **options):
        output = self.run_ctl("--json", *arguments, code=code, **options).stdout
        return [json.loads(line) for line in output.splitlines()]

    def test_the_sample_department(self):
        self.run_ctl("import", harness.SAMPLE)
        self.assertEqual(len(self.run_json("aluno", "list")), 30)
        self.assertEqual(len(self.run_json("disciplina", "list")), 10)
        [report] = self.run_json("relatorio", "disciplina", "GSI010")
        self.assertEqual(report["disciplina"], {"sigla": "GSI010", "nome": "prolog", "vagas": 30})
        self.assertEqual(report["professor"]["siape"], "1524002")
        [full] = self.run_json("relatorio", "disciplina", "GSI027")
        self.assertEqual(len(full["alunos"]), full["disciplina"]["vagas"])
        [refusal] = self.run_json("matricula", "add", "GSI027", "11921BSI209", code=REFUSED)
        self.assertEqual(refusal["msg"], "não há vagas na disciplina")
        # Once more: everything is there already, and nothing changes.
        again = self.run_json("import", harness.SAMPLE, code=REFUSED)[-1]
        self.assertEqual([file["boas"] for file in again["arquivos"]], [0] * 5)

    def test_export_and_import_give_the_same_department(self):
        self.run_ctl("import", harness.SAMPLE)
        self.run_ctl("export", "--dir", self.folder)
        other = self.start_server()
        result = other.ctl("import", self.folder)
        self.assertEqual(result.returncode, OK, result.stderr)
        for kind in ("alunos", "professores", "disciplinas", "docentes", "matriculas"):
            exported = self.run_ctl("export", kind).stdout
            self.assertEqual(other.ctl("export", kind).stdout, exported)
            with open(os.path.join(self.folder, kind + ".csv"), encoding="utf-8") as file:
                self.assertEqual(file.read(), exported)
        with open(os.path.join(harness.SAMPLE, "alunos.csv"), encoding="utf-8") as file:
            sample = file.read()
        with open(os.path.join(self.folder, "alunos.csv"), encoding="utf-8") as file:
            self.assertEqual(sorted(file.read().splitlines()), sorted(sample.splitlines()))

    def test_exit_codes(self):
        self.run_ctl("aluno", "create", "11921BSI209", "Maycon")
        self.run_ctl("aluno", "create", "11921BSI209", "Maycon", code=REFUSED)
        self.run_ctl("aluno", "get", "11921BSI999", code=REFUSED)
        self.run_ctl("aluno", "crate", "11921BSI209", "Maycon", code=USAGE)
        self.run_ctl("--help", code=OK)
        self.run_ctl(code=USAGE)
        self.server.stop()
        self.run_ctl("aluno", "list", code=UNREACHABLE)
        self.run_ctl("import", harness.SAMPLE, code=UNREACHABLE)

    def test_the_server_can_come_from_the_environment(self):
        environment = harness.clean_environment(MATRICULAD_SERVER=self.server.listen)
        result = harness.ctl("aluno", "list", "--json", environment=environment)
        self.assertEqual((result.returncode, result.stdout), (OK, ""))

    def test_names_of_all_kinds_survive(self):
        names = ["Zé / da, Silva", "100% aluno", "a \"b\" 'c'", "emoji 🎓🎓", "学生学生", "-nome",
                 "José"]
        for i, name in enumerate(names):
            key = "%s%d" % (name, i)
            self.run_ctl("aluno", "create", "--", key, name)
            self.assertEqual(self.run_json("aluno", "get", "--", key),
                             [{"matricula": key, "nome": name}])
        copy = self.start_server()
        exported = self.run_ctl("export", "alunos").stdout
        result = copy.ctl("import", "-", "--kind", "alunos", input=exported)
        self.assertEqual(result.returncode, OK, result.stderr)
        self.assertEqual(copy.ctl("export", "alunos").stdout, exported)

    def test_bad_lines_are_told_and_the_rest_goes_in(self):
        path = write(self.folder, "disciplinas.csv",
                     "sigla,nome,vagas\nGSI010,prolog,30\nGSI011,c,10\nGSI012,grafos,0\n"
                     "GSI013,redes,muitas\nGSI014,\"banco\nde dados\",30\nGSI015,compiladores,20\n")
        result = self.run_ctl("import", path, code=REFUSED)
        told = sorted(int(line.split(":")[1]) for line in result.stderr.splitlines()
                      if line.startswith("disciplinas.csv:"))
        self.assertEqual(told, [3, 4, 5, 6], result.stderr)
        self.assertEqual([d["sigla"] for d in self.run_json("disciplina", "list")],
                         ["GSI010", "GSI015"])
        dry = self.run_json("import", path, "--dry-run", code=REFUSED)[-1]
        self.assertEqual((dry["arquivos"][0]["boas"], dry["arquivos"][0]["invalidas"]), (2, 4))

    def test_twenty_thousand_lines_do_not_take_long(self):
        count = int(os.environ.get("MATRICULA_CTL_LINES", "20000"))
        path = write(self.folder, "alunos.csv", many_alunos(count))
        start = time.monotonic()
        [summary] = self.run_json("import", path, timeout_s=500)
        seconds = time.monotonic() - start
        self.assertEqual(summary["arquivos"][0]["boas"], count)
        print("%d lines in %.1f s" % (count, seconds))
        self.assertLess(seconds, 300)  # seconds when the machine is idle; it seldom is in a suite
        self.assertEqual(len(self.run_json("aluno", "list")), count)

    def start_import(self, path, **options):
        return subprocess.Popen(
            [harness.BINARY, "ctl", "import", path, "--json", *self.server.flags()],
            stdout=subprocess.PIPE, encoding="utf-8", env=harness.clean_environment(), **options)

    def wait_for_some(self, count):
        harness.wait_until(lambda: len(self.run_json("aluno", "list")) >= count,
                           what="the import to get going", pause_s=0.1)

    def test_ctrl_c_stops_an_import_and_it_can_be_resumed(self):
        path = write(self.folder, "alunos.csv", many_alunos(100000))
        process = self.start_import(path)
        self.wait_for_some(500)
        process.send_signal(signal.SIGINT)
        summary = json.loads(process.communicate(timeout=30)[0].splitlines()[-1])
        self.assertEqual(process.returncode, INTERRUPTED)
        tally = summary["arquivos"][0]
        self.assertLess(tally["linhas"], 100000)
        self.assertEqual(tally["boas"], tally["linhas"])
        self.assertEqual(len(self.run_json("aluno", "list")), tally["boas"])
        # What it says to do: with the same run id, what is done already is no refusal.
        write(self.folder, "alunos.csv", many_alunos(tally["linhas"] + 1000))
        [resumed] = self.run_json("import", path, "--resume", summary["execucao"])
        self.assertEqual(resumed["arquivos"][0]["boas"], tally["linhas"] + 1000)
        self.assertEqual(len(self.run_json("aluno", "list")), tally["linhas"] + 1000)

    def test_an_import_outlives_a_crash_of_the_server(self):
        count = 5000
        process = self.start_import(write(self.folder, "alunos.csv", many_alunos(count)))
        self.wait_for_some(300)
        self.assertIsNone(process.poll(), "the import was over before the crash")
        self.server.kill()
        self.server.start()
        summary = json.loads(process.communicate(timeout=120)[0].splitlines()[-1])
        self.assertEqual((process.returncode, summary["msg"]), (OK, ""))
        self.assertEqual(summary["arquivos"][0]["boas"], count)
        self.assertEqual(len(self.run_json("aluno", "list")), count)

    def test_progress_is_drawn_on_a_terminal_only(self):
        path = write(self.folder, "alunos.csv", many_alunos(3000))
        ours, theirs = pty.openpty()
        process = self.start_import(path, stderr=theirs)
        os.close(theirs)
        drawn = b""
        try:
            while True:
                drawn += os.read(ours, 65536)
        except OSError:  # the other side is closed
            os.close(ours)
        process.communicate()
        self.assertEqual(process.returncode, OK)
        self.assertRegex(drawn.decode(), r"alunos\.csv  [█░]{20}  \d+%  [\d.]+ linhas")
        self.assertEqual(self.run_ctl("import", path, code=REFUSED).stderr.count("\x1b"), 0)

    def test_help_is_portuguese_and_complete(self):
        text = self.run_ctl("--help").stdout
        commands = re.findall(r"^  ([a-z]+) {2,}", text.split("Comandos:")[1], re.MULTILINE)
        self.assertIn("import", commands)
        for command in commands:
            help_text = self.run_ctl(command, "--help").stdout
            self.assertIn("Uso: matriculad ctl " + command, help_text)
            self.assertNotIn("Options:", help_text)


if __name__ == "__main__":
    harness.main()
