"""`matriculad ctl check` against what it must find: a sound store, and each way to be unsound."""

import json

import harness

OK, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 69


class CtlCheckTest(harness.TestCase):

    def setUp(self):
        super().setUp()
        self.etcd = self.start_etcd()
        self.server = self.start_server(roles=["admin", "portal"], kv=self.etcd.listen)

    def check(self, code):
        result = harness.ctl("check", "--json", "--kv", self.etcd.listen)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def test_a_sound_store(self):
        [report] = self.check(OK)
        self.assertEqual((report["alunos"], report["matriculas"]), (0, 0))
        self.assertEqual(self.server.ctl("import", harness.SAMPLE).returncode, OK)
        [report] = self.check(OK)
        self.assertEqual((report["alunos"], report["professores"], report["disciplinas"],
                          report["matriculas"]), (30, 6, 10, 101))
        self.assertEqual((report["violacoes_ao_todo"], report["violacoes"]), (0, []))

    def test_a_broken_store(self):
        self.assertEqual(self.server.ctl("import", harness.SAMPLE).returncode, OK)
        breaks = [
            ("put", "turma/GSI010", '{"professor":"1524002","ocupadas":99}'),
            ("put", "disciplina/GSI027", '{"sigla":"GSI027","nome":"pouco","vagas":4}'),
            ("del", "aluno-turma/11911BSI207/GSI027"),
            ("put", "aluno/11921BSI209", "garbage"),
        ]
        for number, words in enumerate(breaks, start=1):
            self.etcd.etcdctl(*words)
            report, verdict = self.check(REFUSED)
            self.assertGreaterEqual(report["violacoes_ao_todo"], number)
            self.assertEqual(len(report["violacoes"]), report["violacoes_ao_todo"])
            self.assertEqual(verdict["status"], REFUSED)
        for key in ("GSI010", "GSI027", "11911BSI207", "11921BSI209"):
            self.assertTrue(any(key in violation for violation in report["violacoes"]), key)

    def test_no_store(self):
        result = harness.ctl("check", "--kv", harness.free_address(), "--timeout", "1")
        self.assertEqual((result.returncode, result.stdout), (UNREACHABLE, ""))
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertEqual(harness.ctl("check", "--kv", "nonsense").returncode, USAGE)


if __name__ == "__main__":
    harness.main()
