"""`matriculad ctl backup`, `verify`, `restore`, `status` and `member list`, against real stores."""

import hashlib
import json
import os
import pty
import subprocess
import threading

import harness

OK, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 69
KINDS = ("alunos", "professores", "disciplinas", "docentes", "matriculas")


class Backup(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = harness.temporary_directory()
        self.file = os.path.join(self.folder, "copia")

    def ok(self, result):
        self.assertEqual(result.returncode, OK, result.stdout + result.stderr)
        return result

    def cluster_id(self, server):
        status = json.loads(harness.etcdctl(server.kv_listen, "endpoint", "status", "-w", "json"))
        return status[0]["Status"]["header"]["cluster_id"]

    def exported(self, server, name):
        folder = os.path.join(self.folder, name)
        self.ok(server.ctl("export", "--dir", folder))
        contents = {}
        for kind in KINDS:
            with open(os.path.join(folder, kind + ".csv"), encoding="utf-8") as file:
                contents[kind] = sorted(file.read().splitlines())
        return contents

    def test_restored_as_it_was(self):
        server = self.start_server()
        self.ok(server.ctl("import", harness.SAMPLE))
        before = self.exported(server, "before")
        self.ok(server.ctl("backup", self.file))
        self.assertEqual(sorted(os.listdir(self.folder)), ["before", "copia"])
        self.ok(server.ctl("verify", self.file))
        self.ok(harness.ctl("backup", "verify", self.file))
        self.assertEqual(server.ctl("backup", self.file + "2", "x").returncode, USAGE)
        self.ok(server.ctl("aluno", "create", "99999XXX999", "Depois da Cópia"))

        data = os.path.join(self.folder, "data")
        self.ok(harness.ctl("restore", self.file, "--data", data))
        restored = self.start_server(data=data, name="restored")
        self.assertNotEqual(self.cluster_id(restored), self.cluster_id(server))
        self.assertEqual(self.exported(restored, "after"), before)
        self.ok(restored.ctl("check"))
        self.ok(restored.ctl("aluno", "create", "99999XXX998", "Continua Normalmente"))

        again = harness.ctl("restore", self.file, "--data", data)
        self.assertEqual(again.returncode, REFUSED, again.stderr)
        self.assertIn("não está vazia", again.stderr)

    def test_under_load(self):
        """What was acknowledged before the backup began is in it; and whatever else is, is whole."""
        server = self.start_server()
        self.ok(server.ctl("import", harness.SAMPLE))
        acknowledged, stop = [], threading.Event()

        def enroll(number):
            with server.channel() as channel:
                stub = harness.portal(channel)
                admin = harness.admin(channel)
                index = 0
                while not stop.is_set():
                    key = "L%03dBSI%05d" % (number, index)
                    index += 1
                    admin.NovoAluno(harness.pb().Aluno(matricula=key, nome="Sob Carga"),
                                    timeout=harness.CALL_TIMEOUT_S)
                    answer = stub.AdicionaAluno(harness.pb().DisciplinaPessoa(
                        disciplina="CHEIA", idPessoa=key), timeout=harness.CALL_TIMEOUT_S)
                    if answer.status == 0:
                        acknowledged.append(key)

        self.ok(server.ctl("disciplina", "create", "CHEIA", "Turma Grande", "100000"))
        harness.pb()  # generated once, before the threads
        threads = [threading.Thread(target=enroll, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        try:
            harness.wait_until(lambda: len(acknowledged) > 100, what="load")
            for round_number in range(3):
                path = self.file + str(round_number)
                earlier = set(acknowledged)
                self.ok(server.ctl("backup", path))
                self.restored_has(path, earlier, "restored%d" % round_number)
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def restored_has(self, path, keys, name):
        data = os.path.join(self.folder, name)
        self.ok(harness.ctl("restore", path, "--data", data))
        restored = self.start_server(data=data, name=name)
        self.ok(restored.ctl("check"))
        roster = {line.split(",")[1] for line in self.exported(restored, name + "-csv")["matriculas"]
                  if line.startswith("CHEIA,")}
        self.assertLessEqual(keys, roster)
        restored.kill()

    def test_a_damaged_file(self):
        server = self.start_server(roles=["kv-replica"])
        [answer] = [json.loads(line) for line in
                    self.ok(server.ctl("backup", self.file, "--json")).stdout.splitlines()]
        self.assertEqual(answer, {"arquivo": self.file, "bytes": os.path.getsize(self.file)})
        with open(self.file, "rb") as file:
            sound = file.read()
        for damaged in (sound[:-1], sound[:-512], sound[:1000] + b"\xff" + sound[1001:], b"", b"x"):
            with open(self.file, "wb") as file:
                file.write(damaged)
            data = os.path.join(self.folder, "data")
            for words in (["verify", self.file], ["backup", "verify", self.file],
                          ["restore", self.file, "--data", data]):
                result = harness.ctl(*words)
                self.assertEqual(result.returncode, USAGE, result.stdout + result.stderr)
                self.assertIn("não é uma cópia íntegra", result.stderr)
            self.assertEqual(os.listdir(self.folder), ["copia"])

    def test_of_a_newer_version(self):
        server = self.start_server(roles=["kv-replica"])
        self.ok(server.ctl("backup", self.file))
        with open(self.file, "rb") as file:
            newer = file.read()[:-32].replace(b"matricula backup 1\n", b"matricula backup 2\n", 1)
        with open(self.file, "wb") as file:
            file.write(newer + hashlib.sha256(newer).digest())
        data = os.path.join(self.folder, "data")
        for words in (["verify", self.file], ["restore", self.file, "--data", data]):
            result = harness.ctl(*words)
            self.assertEqual(result.returncode, USAGE, result.stderr)
            self.assertIn("de uma versão mais nova deste programa", result.stderr)
        self.assertEqual(os.listdir(self.folder), ["copia"])

    def test_nothing_half_written(self):
        server = self.start_server(roles=["kv-replica"])
        self.assertEqual(server.ctl("backup", "/nonexistent/file").returncode, UNREACHABLE)
        result = harness.ctl("backup", self.file, "--kv", harness.free_address(), "--timeout", "1")
        self.assertEqual(result.returncode, UNREACHABLE, result.stderr)
        self.assertEqual(os.listdir(self.folder), [])
        self.ok(server.ctl("backup", self.file))
        self.assertEqual(server.ctl("backup", self.file).returncode, USAGE)
        self.assertEqual(os.stat(self.file).st_mode & 0o777, 0o600)
        for words in (["restore", self.file], ["backup"], ["verify", "/nonexistent/file"]):
            self.assertEqual(harness.ctl(*words).returncode, USAGE)

    def test_on_a_terminal(self):
        server = self.start_server(roles=["kv-replica"])
        for number in range(20):
            harness.etcdctl(server.kv_listen, "put", "k%d" % number, "x" * 100_000)
        ours, theirs = pty.openpty()
        run = subprocess.run([harness.BINARY, "ctl", "backup", self.file, "--kv", server.kv_listen],
                             stderr=theirs, stdout=subprocess.PIPE, check=False, timeout=60)
        os.close(theirs)
        self.assertEqual(run.returncode, OK)
        self.assertIn("%", os.read(ours, 65536).decode())
        os.close(ours)

    def test_of_a_stock_etcd(self):
        etcd = self.start_etcd()
        etcd.etcdctl("put", "key", "value")
        self.ok(harness.ctl("backup", self.file, "--kv", etcd.listen))
        self.assertEqual(harness.etcdctl(etcd.listen, "snapshot", "status", self.file,
                                         "-w", "json").count('"revision":2'), 1)
        result = harness.ctl("restore", self.file, "--data", os.path.join(self.folder, "data"))
        self.assertEqual(result.returncode, USAGE)

    def test_status_and_members(self):
        server = self.start_server(roles=["kv-replica"])
        [record] = [json.loads(line) for line in
                    self.ok(server.ctl("status", "--json")).stdout.splitlines()]
        self.assertEqual((record["endereco"], record["papel"], record["revisao"],
                          record["problemas"]), (server.kv_listen, "líder", 1, ""))
        [member] = [json.loads(line) for line in
                    self.ok(server.ctl("member", "list", "--json")).stdout.splitlines()]
        self.assertEqual(member["membro"], record["membro"])
        self.assertIn("MEMBRO", self.ok(server.ctl("member", "list")).stdout)
        self.assertIn("líder", self.ok(server.ctl("status")).stdout)
        lost = harness.free_address()
        both = harness.ctl("status", "--kv", lost + "," + server.kv_listen, "--timeout", "2")
        self.assertEqual(both.returncode, OK, both.stderr)
        for words in (["status"], ["member", "list"]):
            result = harness.ctl(*words, "--kv", lost, "--timeout", "1")
            self.assertEqual(result.returncode, UNREACHABLE)
        etcd = self.start_etcd()
        self.assertIn("3.4", self.ok(harness.ctl("status", "--json", "--kv", etcd.listen)).stdout)


if __name__ == "__main__":
    harness.main()
