"""The program as a whole: starting, stopping, refusing, and bad input of every kind."""

import os
import socket
import subprocess
import threading
import time
import unittest

import grpc

import harness


def text_of_length(characters):
    return "á" * characters


class Lifecycle(harness.TestCase):
    def test_stops_cleanly_and_keeps_everything(self):
        server = self.start_server()
        with server.channel() as channel:
            self.assert_ok(harness.admin(channel).NovoAluno(
                harness.pb().Aluno(matricula="11921BSI209", nome="maycon")))
        began = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - began, 5)
        server.start()
        with server.channel() as channel:
            aluno = harness.admin(channel).ObtemAluno(harness.pb().Identificador(id="11921BSI209"))
            self.assertEqual(aluno.nome, "maycon")

    def test_stops_within_five_seconds_under_load_and_with_open_streams(self):
        server = self.start_server()
        channel = self.channel_to(server)
        stub, pb = harness.admin(channel), harness.pb()
        stop = threading.Event()
        told_ok = []

        def write(worker):
            number = 0
            while not stop.is_set():
                number += 1
                key = "w%d-%06d" % (worker, number)
                try:
                    if stub.NovoAluno(pb.Aluno(matricula=key, nome="nome"), timeout=5).status == 0:
                        told_ok.append(key)
                except grpc.RpcError:
                    return

        # Watches that nobody ends.
        silent = [socket.create_connection(server.listen.split(":")) for _ in range(20)]
        workers = [threading.Thread(target=write, args=(i,)) for i in range(8)]
        for worker in workers:
            worker.start()
        harness.wait_until(lambda: len(told_ok) > 200, what="two hundred writes")
        began = time.monotonic()
        self.assertEqual(server.stop(timeout_s=10), 0)
        self.assertLess(time.monotonic() - began, 5)
        stop.set()
        for worker in workers:
            worker.join()
        for connection in silent:
            connection.close()
        server.start()
        with server.channel() as fresh:
            there = {a.matricula for a in harness.admin(fresh).ObtemTodosAlunos(pb.Vazia())}
        self.assertEqual(set(told_ok) - there, set(), "told ok, but lost")

    @unittest.skipIf(harness.STORE == "etcd", "the data is etcd's own")
    def test_second_process_on_the_same_data_is_refused(self):
        server = self.start_server()
        second = self.manage(harness.Matriculad(data=server.data, name="second"))
        second.launch()
        self.assertNotEqual(second.wait(), 0)
        self.assertIn(server.data, second.log())
        self.assertIn("in use", second.log())

    def test_second_process_on_the_same_port_is_refused(self):
        server = self.start_server()
        second = self.manage(harness.Matriculad(name="second"))
        second.command[second.command.index("--listen") + 1] = server.listen
        second.launch()
        self.assertNotEqual(second.wait(), 0)
        self.assertIn(server.listen, second.log())

    def test_bad_flags_are_one_clear_sentence(self):
        for arguments, wanted in (
                (["--listen", "nowhere"], "--listen: 'nowhere' is not an address"),
                (["--role", "portal"], "--kv must say where the store is"),
                (["--min-length", "none"], "--min-length"),
                (["--no-such-flag"], "--no-such-flag")):
            run = subprocess.run([harness.BINARY, *arguments], capture_output=True, text=True,
                                 env=harness.clean_environment(), timeout=20, check=False)
            self.assertEqual(run.returncode, 2, run.stderr)
            self.assertIn(wanted, run.stderr)
            self.assertEqual(len(run.stderr.strip().splitlines()), 1, run.stderr)

    def test_help_version_and_configuration_can_be_printed(self):
        for arguments, wanted in ((["--help"], "--kv-listen"), (["--version"], "matriculad "),
                                  (["--check-config"], "ok"),
                                  (["--print-config", "--min-length", "6"], '"6"')):
            run = subprocess.run([harness.BINARY, *arguments], capture_output=True, text=True,
                                 env=harness.clean_environment(), timeout=20, check=False)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertIn(wanted, run.stdout)


class BadInput(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.server = self.start_server()
        channel = self.channel_to(self.server)
        self.pb = harness.pb()
        self.admin = harness.admin(channel)
        self.portal = harness.portal(channel)

    def everything(self):
        return [list(self.admin.ObtemTodosAlunos(self.pb.Vazia())),
                list(self.admin.ObtemTodosProfessores(self.pb.Vazia())),
                list(self.admin.ObtemTodasDisciplinas(self.pb.Vazia()))]

    def test_texts_that_no_record_may_have(self):
        pb = self.pb
        before = self.everything()
        for bad in ("", "abc", "x" * 257, text_of_length(129), "ab\ncd", "ab\x00cd", "ab\x7fcd",
                    "ab\u0085cd"):
            for request in ((self.admin.NovoAluno, pb.Aluno(matricula=bad, nome="nome")),
                            (self.admin.NovoAluno, pb.Aluno(matricula="11921BSI209", nome=bad)),
                            (self.admin.NovoProfessor, pb.Professor(siape=bad, nome="nome")),
                            (self.admin.NovaDisciplina,
                             pb.Disciplina(sigla=bad, nome="nome", vagas=1)),
                            (self.admin.NovaDisciplina,
                             pb.Disciplina(sigla="GSI010", nome=bad, vagas=1))):
                method, message = request
                with self.subTest(text=bad[:10], message=type(message).__name__):
                    self.assert_refused(method(message))
        self.assertEqual(self.everything(), before)

    def test_invalid_utf8_on_the_wire(self):
        channel = self.channel_to(self.server)
        call = channel.unary_unary("/project.PortalAdministrativo/NovoAluno")
        message = b"\x0a\x05ab\xff\xfe\xfd\x12\x04nome"
        try:
            status = self.pb.Status.FromString(call(message, timeout=10))
            self.assert_refused(status)
        except grpc.RpcError as error:
            self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(self.everything(), [[], [], []])

    def test_texts_with_separators_quotes_and_emoji_are_kept_exactly(self):
        pb = self.pb
        self.assert_ok(self.admin.NovaDisciplina(
            pb.Disciplina(sigla="a/b%c,d", nome="\"lógica\" 🎓 'x'", vagas=2)))
        self.assert_ok(self.admin.NovoAluno(pb.Aluno(matricula="%2F/%,\"'🎓", nome="ção, \\ /")))
        self.assert_ok(self.admin.NovoProfessor(pb.Professor(siape="../..", nome="%00%")))
        self.assert_ok(self.portal.AdicionaAluno(
            pb.DisciplinaPessoa(disciplina="a/b%c,d", idPessoa="%2F/%,\"'🎓")))
        self.assert_ok(self.portal.AdicionaProfessor(
            pb.DisciplinaPessoa(disciplina="a/b%c,d", idPessoa="../..")))
        report = self.portal.DetalhaDisciplina(pb.Identificador(id="a/b%c,d"))
        self.assertEqual(report.disciplina.nome, "\"lógica\" 🎓 'x'")
        self.assertEqual(report.professor.nome, "%00%")
        self.assertEqual([(a.matricula, a.nome) for a in report.alunos],
                         [("%2F/%,\"'🎓", "ção, \\ /")])
        # A key that looks like a part of another one is another one.
        self.assertEqual(self.portal.DetalhaDisciplina(pb.Identificador(id="a")),
                         pb.RelatorioDisciplina())

    def test_seats_that_no_class_may_have(self):
        for vagas in (0, -1, -2**31):
            self.assert_refused(self.admin.NovaDisciplina(
                self.pb.Disciplina(sigla="GSI010", nome="prolog", vagas=vagas)), "vagas")
        self.assertEqual(self.everything(), [[], [], []])

    def test_unknown_ids_and_duplicates(self):
        pb = self.pb
        nobody = pb.Identificador(id="nobody")
        self.assertEqual(self.admin.ObtemAluno(nobody), pb.Aluno())
        self.assertEqual(self.admin.ObtemDisciplina(nobody), pb.Disciplina())
        self.assertEqual(list(self.portal.ObtemDisciplinasAluno(nobody)), [])
        self.assert_refused(self.admin.RemoveAluno(nobody))
        self.assert_refused(self.admin.EditaProfessor(pb.Professor(siape="nobody", nome="nome")))
        self.assert_refused(self.portal.AdicionaAluno(
            pb.DisciplinaPessoa(disciplina="nothing", idPessoa="nobody")))
        aluno = pb.Aluno(matricula="11921BSI209", nome="maycon")
        self.assert_ok(self.admin.NovoAluno(aluno))
        self.assert_refused(self.admin.NovoAluno(aluno))

    def test_a_repeated_request_id_changes_nothing_and_answers_ok(self):
        pb = self.pb
        metadata = (("x-request-id", "pedido-1"),)
        aluno = pb.Aluno(matricula="11921BSI209", nome="maycon")
        self.assert_ok(self.admin.NovoAluno(aluno, metadata=metadata))
        self.assert_ok(self.admin.NovoAluno(aluno, metadata=metadata))
        self.server.kill()
        self.server.start()
        self.assert_ok(self.admin.NovoAluno(aluno, metadata=metadata, wait_for_ready=True))
        self.assert_refused(self.admin.NovoAluno(aluno))
        # The same id for something else is a mistake of the client's.
        other = pb.Aluno(matricula="11921BSI210", nome="other")
        self.assert_refused(self.admin.NovoAluno(other, metadata=metadata), "pedido")
        # A refusal changed nothing, so its repeat is judged anew.
        metadata = (("x-request-id", "pedido-2"),)
        self.assert_refused(self.admin.NovoAluno(aluno, metadata=metadata))
        self.assert_ok(self.admin.RemoveAluno(pb.Identificador(id="11921BSI209")))
        self.assert_ok(self.admin.NovoAluno(aluno, metadata=metadata))
        # Too long, or not printable.
        for bad in ("x" * 65,):
            self.assert_refused(self.admin.NovoAluno(other, metadata=(("x-request-id", bad),)),
                                "pedido")

    def test_a_message_of_five_megabytes(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.admin.NovoAluno(self.pb.Aluno(matricula="x" * (5 << 20), nome="nome"))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertEqual(self.everything(), [[], [], []])

    def test_garbage_on_the_ports(self):
        for address in self.server.addresses:
            host, port = address.split(":")
            for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 4096, os.urandom(65536),
                            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + os.urandom(65536), b""):
                with socket.create_connection((host, int(port))) as connection:
                    connection.settimeout(5)
                    try:
                        connection.sendall(garbage)
                        connection.shutdown(socket.SHUT_WR)
                        while connection.recv(65536):
                            pass
                    except OSError:
                        pass
        self.assertTrue(self.server.running())
        self.assertEqual(self.everything(), [[], [], []])

    def test_a_listing_of_many_comes_in_order_and_whole(self):
        pb = self.pb
        futures = [self.admin.NovoAluno.future(pb.Aluno(matricula="m%05d" % i, nome="n%05d" % i))
                   for i in range(3000)]
        for future in futures:
            self.assert_ok(future.result())
        listed = [a.matricula for a in self.admin.ObtemTodosAlunos(pb.Vazia())]
        self.assertEqual(listed, ["m%05d" % i for i in range(3000)])


if __name__ == "__main__":
    unittest.main()
