"""Every process is restarted, one after the other, while students enroll: no request is lost that
its client tries once more, and no seat is sold twice."""

import threading
import time
import unittest
import uuid

import grpc

import cluster_test
import harness

CLIENTS = 6
STUDENTS_EACH = 400
VAGAS = 100_000
# As quick as the restarts here: a client whose channel rests for longer has nowhere to go.
QUICK = {"grpc.initial_reconnect_backoff_ms": 100, "grpc.min_reconnect_backoff_ms": 100,
         "grpc.max_reconnect_backoff_ms": 300}
CALL_S = 10
REST_S = 1.0


class Client(threading.Thread):
    """Enrolls its own students, one request after the other, at two portals in turn."""

    def __init__(self, number, portals):
        super().__init__(daemon=True)
        self.number = number
        self.channels = [harness.open_channel(address, **QUICK) for address in portals]
        self.stubs = [harness.portal(channel) for channel in self.channels]
        self.stopping = threading.Event()
        self.enrolled, self.retried, self.lost = [], [], []

    def enroll(self, matricula, at):
        pair = harness.pb().DisciplinaPessoa(disciplina="GSI010", idPessoa=matricula)
        metadata = (("x-request-id", uuid.uuid4().hex),)
        for attempt in range(2):
            try:
                stub = self.stubs[(at + attempt) % len(self.stubs)]
                return stub.AdicionaAluno(pair, timeout=CALL_S, metadata=metadata)
            except grpc.RpcError as error:
                (self.lost if attempt else self.retried).append(
                    "%s at %.3f: %s %s" % (matricula, time.time(), error.code(), error.details()))
        return None

    def run(self):
        number = 0
        while not self.stopping.is_set():
            matricula = "aluno-%d-%04d" % (self.number, number % STUDENTS_EACH)
            answer = self.enroll(matricula, number)
            if answer is not None and number < STUDENTS_EACH:
                assert answer.status == 0, answer
                self.enrolled.append(matricula)
            number += 1
            time.sleep(0.005)
        for channel in self.channels:
            channel.close()


class RollingRestartTest(harness.TestCase):
    def start_all(self):
        addresses = [harness.free_address() for _ in range(3)]
        peers = [flag for address in addresses for flag in ("--peer", address)]
        replicas = [self.manage(cluster_test.Member(address, peers)) for address in addresses]
        store = ",".join(replica.kv_listen for replica in replicas)
        portals = [self.manage(harness.Matriculad(roles=["admin", "portal"], kv=store,
                                                  name="portal%d" % number)) for number in range(2)]
        for process in replicas + portals:
            process.launch()
        for process in replicas + portals:
            process.wait_until_serving()
        return replicas, portals

    def load(self, portal):
        pb = harness.pb()
        with portal.channel() as channel:
            admin = harness.admin(channel)
            admin.NovaDisciplina(pb.Disciplina(sigla="GSI010", nome="prolog", vagas=VAGAS))
            calls = [admin.NovoAluno.future(pb.Aluno(matricula="aluno-%d-%04d" % (client, number),
                                                     nome="aluno"))
                     for client in range(CLIENTS) for number in range(STUDENTS_EACH)]
            for call in calls:
                self.assertEqual(call.result().status, 0)

    def restart(self, process):
        self.assertEqual(process.stop(), 0, process.log_tail())
        process.start()
        time.sleep(REST_S)

    def test_nothing_is_lost(self):
        replicas, portals = self.start_all()
        self.load(portals[0])
        clients = [Client(number, [portal.listen for portal in portals])
                   for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for process in replicas + portals:
            self.restart(process)
        for client in clients:
            client.stopping.set()
        for client in clients:
            client.join(30)
        lost = [line for client in clients for line in client.lost]
        self.assertEqual(lost, [])
        enrolled = sorted(name for client in clients for name in client.enrolled)
        retried = sum(len(client.retried) for client in clients)
        print("%d enrolled, %d requests tried twice" % (len(enrolled), retried))
        self.assertGreater(len(enrolled), 200)
        self.assertGreater(retried, 0)
        with portals[0].channel() as channel:
            report = harness.portal(channel).DetalhaDisciplina(
                harness.pb().Identificador(id="GSI010"))
        self.assertEqual([aluno.matricula for aluno in report.alunos], enrolled)
        check = harness.ctl("--server", portals[0].listen, "--kv", replicas[0].kv_listen, "check")
        self.assertEqual(check.returncode, 0, check.stdout + check.stderr)


if __name__ == "__main__":
    unittest.main()
