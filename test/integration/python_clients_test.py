"""The clients of the course, unchanged in what they send, against a running matriculad."""

import os
import subprocess
import sys

import harness
from python_clients import run_admin, run_portal


class PythonClientsTest(harness.TestCase):

    def setUp(self):
        super().setUp()
        self.server = self.start_server()
        channel = self.channel_to(self.server)
        self.admin = lambda *arguments: run_admin(channel, *arguments)
        self.portal = lambda *arguments: run_portal(channel, *arguments)

    def ok(self, messages):
        self.assertEqual(len(messages), 1)
        self.assert_ok(messages[0])

    def refused(self, messages):
        self.assertEqual(len(messages), 1)
        self.assert_refused(messages[0])

    def test_records_of_each_base(self):
        pb = harness.pb()
        cases = [("aluno", "11921BSI209", "Maycon", "Maycon Silva", pb.Aluno, "matricula"),
                 ("professor", "1524", "Pedro", "Pedro Silva", pb.Professor, "siape"),
                 ("disciplina", "BSI034", "prolog,30", "prolog edit,29", pb.Disciplina, "sigla")]
        for base, key, value, edited, kind, key_field in cases:
            with self.subTest(base=base):
                self.refused(self.admin("update", base, key, edited))
                self.ok(self.admin("create", base, key, value))
                self.refused(self.admin("create", base, key, value))
                self.ok(self.admin("update", base, key, edited))
                [got] = self.admin("get", base, key)
                self.assertEqual(getattr(got, key_field), key)
                self.assertEqual(got.nome, edited.split(",")[0])
                self.assertEqual(self.admin("getall", base), [got])
                self.ok(self.admin("delete", base, key))
                self.refused(self.admin("delete", base, key))
                self.assertEqual(self.admin("get", base, key), [kind()])  # blank: not found
                self.assertEqual(self.admin("getall", base), [])

    def test_a_discipline_keeps_its_seats(self):
        self.ok(self.admin("create", "disciplina", "GSI010", "prolog,30"))
        self.ok(self.admin("update", "disciplina", "GSI010", "prolog,29"))
        [disciplina] = self.admin("get", "disciplina", "GSI010")
        self.assertEqual(disciplina.vagas, 29)
        self.refused(self.admin("create", "disciplina", "GSI011", "c,0"))

    def test_enrolling_and_reports(self):
        self.ok(self.admin("create", "aluno", "11921BSI209", "Maycon"))
        self.ok(self.admin("create", "aluno", "11921BSI210", "Miane"))
        self.ok(self.admin("create", "professor", "1524", "Pedro"))
        self.ok(self.admin("create", "disciplina", "GSI010", "prolog,1"))

        self.ok(self.portal("add_prof", "GSI010", "1524"))
        self.refused(self.portal("add_prof", "GSI010", "1524"))
        self.ok(self.portal("add_aluno", "GSI010", "11921BSI209"))
        self.refused(self.portal("add_aluno", "GSI010", "11921BSI209"))
        self.refused(self.portal("add_aluno", "GSI010", "11921BSI210"))  # no seat left
        self.refused(self.portal("add_aluno", "GSI999", "11921BSI210"))
        self.refused(self.portal("add_aluno", "GSI010", "ninguem"))

        [report] = self.portal("rel_disc", "GSI010")
        self.assertEqual((report.disciplina.nome, report.disciplina.vagas), ("prolog", 1))
        self.assertEqual((report.professor.siape, report.professor.nome), ("1524", "Pedro"))
        self.assertEqual([(a.matricula, a.nome) for a in report.alunos],
                         [("11921BSI209", "Maycon")])
        self.assertEqual(self.portal("rel_prof", "1524"), [report])
        [resumo] = self.portal("rel_aluno", "11921BSI209")
        self.assertEqual((resumo.disciplina.sigla, resumo.professor.nome, resumo.totalAlunos),
                         ("GSI010", "Pedro", 1))
        self.assertEqual(self.portal("rel_aluno", "11921BSI210"), [])

        self.ok(self.portal("rem_aluno", "GSI010", "11921BSI209"))
        self.refused(self.portal("rem_aluno", "GSI010", "11921BSI209"))
        self.ok(self.portal("rem_prof", "GSI010", "1524"))
        self.refused(self.portal("rem_prof", "GSI010", "1524"))
        [report] = self.portal("rel_disc", "GSI010")
        self.assertFalse(report.HasField("professor"))
        self.assertEqual(len(report.alunos), 0)
        [missing] = self.portal("rel_disc", "GSI999")
        self.assertEqual(missing, harness.pb().RelatorioDisciplina())

    def test_an_edited_name_shows_in_every_report_at_once(self):
        self.ok(self.admin("create", "aluno", "11921BSI209", "Maycon"))
        self.ok(self.admin("create", "disciplina", "GSI010", "prolog,30"))
        self.ok(self.portal("add_aluno", "GSI010", "11921BSI209"))
        self.ok(self.admin("update", "aluno", "11921BSI209", "Maycon Silva"))
        [report] = self.portal("rel_disc", "GSI010")
        self.assertEqual(report.alunos[0].nome, "Maycon Silva")

    def test_the_client_as_a_program_of_its_own(self):
        admin_port = self.server.listen.rpartition(":")[2]
        portal_port = self.server.portal_listen.rpartition(":")[2]
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "python_clients.py")

        def run(*arguments):
            return subprocess.run([sys.executable, "-B", program, *arguments], check=True,
                                  capture_output=True, encoding="utf-8",
                                  env=harness.clean_environment()).stdout

        self.assertEqual(run("admin", "--port", admin_port, "--op", "create", "--base", "disciplina",
                             "--key", "GSI010", "--val", "prolog,30").strip(), "")
        self.assertIn('nome: "prolog"', run("portal", "--port", portal_port, "rel_disc",
                                               "GSI010"))


if __name__ == "__main__":
    harness.main()
