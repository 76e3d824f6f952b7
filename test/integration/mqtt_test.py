"""The campus bus with a real mosquitto: changes told, caches that never lie, foreign messages."""

import json
import os
import random
import subprocess
import threading
import time
import unittest

import harness


class Subscriber:
    """What a stock mosquitto_sub hears, with the properties of MQTT v5."""

    def __init__(self, broker, name):
        self.lines = []
        self._process = subprocess.Popen(
            ["mosquitto_sub", "-p", str(broker.port), "-V", "mqttv5", "-t", "portal/#", "-q", "1",
             "-i", name, "-c", "-x", "3600", "-F", "%t\t%P\t%p"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._process.stdout:
            topic, properties, payload = line.rstrip("\n").split("\t", 2)
            found = {}
            for item in properties.split(" "):
                name, colon, value = item.partition(":")
                if colon:
                    found[name] = value
            self.lines.append((topic, found, payload))

    def stop(self):
        self._process.terminate()
        self._process.wait()
        self._thread.join()

    def of_relay(self):
        return [line for line in list(self.lines) if "rev" in line[1]]


class CampusTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.broker = self.manage(harness.Mosquitto()).start()
        self.pb = harness.pb()

    def subscribe(self, name):
        subscriber = Subscriber(self.broker, name)
        self.addCleanup(subscriber.stop)
        time.sleep(0.5)
        return subscriber

    def start_campus(self, *arguments, **options):
        return self.start_server("--mqtt", self.broker.url, *arguments, **options)

    def start_store(self, *arguments):
        """A store for servers that a test starts one by one; a stock etcd knows no arguments."""
        if harness.STORE == "etcd":
            return self.start_etcd().listen
        return self.start_server(*arguments, roles=["kv-replica"]).kv_listen

    def stubs(self, server):
        channel = self.channel_to(server)
        return harness.admin(channel), harness.portal(channel)


class Relay(CampusTest):
    def wait_for_relay(self, admin, subscriber):
        """The relay's first day begins when it does: write until it is heard."""
        count = 0

        def heard():
            nonlocal count
            count += 1
            admin.NovoAluno(self.pb.Aluno(matricula="warm%05d" % count, nome="nome"))
            time.sleep(0.05)
            return subscriber.of_relay()

        harness.wait_until(heard, what="the relay's first message")

    def test_every_kind_of_change_is_told_as_readable_json(self):
        subscriber = self.subscribe("all")
        admin, portal = self.stubs(self.start_campus())
        pb = self.pb
        self.wait_for_relay(admin, subscriber)
        pair = pb.DisciplinaPessoa(disciplina="BSI034", idPessoa="11921BSI209")
        teacher = pb.DisciplinaPessoa(disciplina="BSI034", idPessoa="1524")
        for step in (lambda: admin.NovoAluno(pb.Aluno(matricula="11921BSI209", nome="maycon")),
                     lambda: admin.EditaAluno(pb.Aluno(matricula="11921BSI209", nome="maycon ç")),
                     lambda: admin.NovoProfessor(pb.Professor(siape="1524", nome="pedro")),
                     lambda: admin.NovaDisciplina(
                         pb.Disciplina(sigla="BSI034", nome="prolog", vagas=30)),
                     lambda: portal.AdicionaAluno(pair),
                     lambda: portal.AdicionaProfessor(teacher),
                     lambda: portal.RemoveAluno(pair),
                     lambda: portal.RemoveProfessor(teacher),
                     lambda: admin.RemoveDisciplina(pb.Identificador(id="BSI034")),
                     lambda: admin.RemoveProfessor(pb.Identificador(id="1524")),
                     lambda: admin.RemoveAluno(pb.Identificador(id="11921BSI209"))):
            self.assert_ok(step())
        harness.wait_until(lambda: any(topic == "portal/admin/aluno/delete"
                                       for topic, _, _ in subscriber.lines), what="the last change")
        told = [(topic, payload) for topic, _, payload in subscriber.of_relay()
                if "warm" not in payload]
        self.assertEqual(told, [
            ("portal/admin/aluno/create", '{"matricula":"11921BSI209","nome":"maycon"}'),
            ("portal/admin/aluno/update", '{"matricula":"11921BSI209","nome":"maycon ç"}'),
            ("portal/admin/professor/create", '{"siape":"1524","nome":"pedro"}'),
            ("portal/admin/disciplina/create", '{"sigla":"BSI034","nome":"prolog","vagas":30}'),
            ("portal/mat/aluno/add",
             '{"disciplina":"BSI034","idPessoa":"11921BSI209","vagas":29}'),
            ("portal/mat/professor/add", '{"disciplina":"BSI034","idPessoa":"1524"}'),
            ("portal/mat/aluno/del",
             '{"disciplina":"BSI034","idPessoa":"11921BSI209","vagas":30}'),
            ("portal/mat/professor/del", '{"disciplina":"BSI034","idPessoa":"1524"}'),
            ("portal/admin/disciplina/delete", '{"sigla":"BSI034"}'),
            ("portal/admin/professor/delete", '{"siape":"1524"}'),
            ("portal/admin/aluno/delete", '{"matricula":"11921BSI209"}')])

    def test_nothing_is_skipped_while_server_and_broker_are_killed(self):
        changes = int(os.environ.get("MATRICULA_RELAY_CHANGES", "3000"))
        subscriber = self.subscribe("faithful")
        server = self.start_campus()
        admin, _ = self.stubs(server)
        self.wait_for_relay(admin, subscriber)
        time.sleep(2.5)  # until the broker has the subscriber's session on disk
        seed = random.SystemRandom().randrange(2**32)
        print("seed", seed)
        chance = random.Random(seed)
        written = []
        for number in range(changes):
            if chance.randrange(changes // 6) == 0:
                victim = chance.choice([server, self.broker])
                victim.kill()
                victim.start()
            key = "k%06d" % number
            status = admin.NovoAluno(self.pb.Aluno(matricula=key, nome="nome"), timeout=20,
                                     wait_for_ready=True,
                                     metadata=(("x-request-id", "r%d" % number),))
            self.assert_ok(status)
            written.append(key)
        wanted = set(written)

        def all_told():
            told = {json.loads(payload).get("matricula")
                    for topic, _, payload in subscriber.of_relay()
                    if topic == "portal/admin/aluno/create"}
            return wanted <= told

        harness.wait_until(all_told, 90, "every change to be told")
        # After removing repeats: in revision order, and a chain without a hole.
        chain = []
        seen = set()
        for _, properties, _ in subscriber.of_relay():
            if properties["rev"] in seen:
                continue
            seen.add(properties["rev"])
            chain.append((int(properties["prev"]), int(properties["rev"])))
        for before, after in zip(chain, chain[1:]):
            self.assertEqual(after[0], before[1], "a hole in the chain")
            self.assertLess(before[1], after[1])


class Foreign(CampusTest):
    def send_and_settle(self, topic, payload):
        self.broker.publish(topic, payload)
        time.sleep(0.3)

    def test_each_line_of_the_original_readme(self):
        admin, portal = self.stubs(self.start_campus())
        pb = self.pb
        listener = self.subscribe("echo")
        # The ingest is ready once something it is sent takes effect.
        harness.wait_until(lambda: self.broker.publish("portal/admin/aluno/create", "ready,ready")
                           or admin.ObtemAluno(pb.Identificador(id="ready")).nome == "ready",
                           what="the ingest", pause_s=0.2)

        def aluno(key):
            return admin.ObtemAluno(pb.Identificador(id=key)).nome

        def professor(key):
            return admin.ObtemProfessor(pb.Identificador(id=key)).nome

        def disciplina(key):
            found = admin.ObtemDisciplina(pb.Identificador(id=key))
            return (found.nome, found.vagas)

        self.send_and_settle("portal/aluno", "teste connect")  # no topic of ours
        self.send_and_settle("portal/admin/aluno/create", "11921BSI209,maycon")
        self.assertEqual(aluno("11921BSI209"), "maycon")
        self.send_and_settle("portal/admin/aluno/update", "11921BSI209,maycon edit")
        self.assertEqual(aluno("11921BSI209"), "maycon edit")
        self.send_and_settle("portal/admin/aluno/update", "11921BSI201,errornot found edit")
        self.assertEqual(aluno("11921BSI201"), "")  # refused: there is no such student
        self.send_and_settle("portal/admin/aluno/delete", "11921BSI201")  # refused likewise
        self.send_and_settle("portal/admin//delete", "11921BSI209")  # malformed: of what kind?
        self.assertEqual(aluno("11921BSI209"), "maycon edit")
        self.send_and_settle("portal/admin/professor/create", "1524,pedro")
        self.assertEqual(professor("1524"), "pedro")
        self.send_and_settle("portal/admin/professor/create", "1525,Miane")
        self.send_and_settle("portal/admin/professor/update", "1525,Miane edit")
        self.assertEqual(professor("1525"), "Miane edit")
        self.send_and_settle("portal/admin/professor/delete", "1525")
        self.assertEqual(professor("1525"), "")
        self.send_and_settle("portal/admin/disciplina/create", "BSI034,prolog,30")
        self.assertEqual(disciplina("BSI034"), ("prolog", 30))
        self.send_and_settle("portal/admin/disciplina/update", "BSI035,prolog,30")
        self.assertEqual(disciplina("BSI035"), ("", 0))  # refused: there is no such class
        self.send_and_settle("portal/admin/disciplina/update", "BSI034,prolog edit,29")
        self.assertEqual(disciplina("BSI034"), ("prolog edit", 29))
        # The original servers' JSON, for the other kind of topic.
        self.send_and_settle("portal/mat/aluno/add",
                             '{"disciplina":"BSI034","idPessoa":"11921BSI209","vagas":28}')
        self.send_and_settle("portal/mat/professor/add",
                             '{"disciplina":"BSI034","idPessoa":"1524"}')
        report = portal.DetalhaDisciplina(pb.Identificador(id="BSI034"))
        self.assertEqual([a.matricula for a in report.alunos], ["11921BSI209"])
        self.assertEqual(report.professor.siape, "1524")
        self.send_and_settle("portal/mat/aluno/del",
                             '{"disciplina":"BSI034","idPessoa":"11921BSI209"}')
        self.send_and_settle("portal/mat/professor/del", "BSI034,1524")
        report = portal.DetalhaDisciplina(pb.Identificador(id="BSI034"))
        self.assertEqual(len(report.alunos), 0)
        self.assertFalse(report.HasField("professor"))
        self.send_and_settle("portal/admin/disciplina/delete", "BSI035")  # refused
        self.send_and_settle("portal/admin/disciplina/delete", "BSI034")
        self.assertEqual(disciplina("BSI034"), ("", 0))
        # No loop: what was asked for is told once by the relay, and nothing is told of that.
        creates = [line for line in listener.of_relay() if line[0] == "portal/admin/aluno/create"
                   and "11921BSI209" in line[2]]
        self.assertLessEqual(len(creates), 1)

    def test_each_message_is_applied_by_exactly_one_of_several_servers(self):
        store = self.start_store("--mqtt", "off")
        servers = [self.start_campus(roles=[role], kv=store, name=role + str(i))
                   for i in range(2) for role in ("admin", "portal")]
        admin, _ = self.stubs(servers[0])
        harness.wait_until(
            lambda: self.broker.publish("portal/admin/aluno/create", "ready,ready")
            or admin.ObtemAluno(self.pb.Identificador(id="ready")).nome == "ready",
            what="the ingest", pause_s=0.2)
        for number in range(50):
            self.broker.publish("portal/admin/professor/create", "prof%03d,nome" % number)
        harness.wait_until(
            lambda: len(list(admin.ObtemTodosProfessores(self.pb.Vazia()))) == 50,
            what="fifty professors")
        # Had two servers applied one message, the second would have logged a refusal.
        time.sleep(0.5)
        for server in servers:
            self.assertNotIn("professor já cadastrado", server.log())

    def test_malformed_messages_change_nothing_and_do_not_flood_the_log(self):
        server = self.start_campus()
        admin, _ = self.stubs(server)
        harness.wait_until(
            lambda: self.broker.publish("portal/admin/aluno/create", "ready,ready")
            or admin.ObtemAluno(self.pb.Identificador(id="ready")).nome == "ready",
            what="the ingest", pause_s=0.2)
        lines = "\n".join("{broken %d" % i for i in range(10000))
        subprocess.run(["mosquitto_pub", "-p", str(self.broker.port), "-q", "1", "-l", "-t",
                        "portal/admin/aluno/create"], input=lines, text=True, check=True)
        self.broker.publish("portal/admin/professor/create", "last,last")
        time.sleep(1)
        self.assertEqual([a.matricula for a in admin.ObtemTodosAlunos(self.pb.Vazia())], ["ready"])
        self.assertLess(len(server.log().splitlines()), 30)

    def test_ingest_can_be_turned_off(self):
        admin, _ = self.stubs(self.start_campus("--mqtt-ingest", "off"))
        time.sleep(1)
        self.send_and_settle("portal/admin/aluno/create", "11921BSI209,maycon")
        time.sleep(0.5)
        self.assertEqual(admin.ObtemAluno(self.pb.Identificador(id="11921BSI209")).nome, "")


class Cache(CampusTest):
    def test_what_one_server_acknowledged_every_other_shows_at_once(self):
        rounds = int(os.environ.get("MATRICULA_CACHE_ROUNDS", "3000"))
        seed = random.SystemRandom().randrange(2**32)
        print("seed", seed)
        chance = random.Random(seed)
        store = self.start_store("--mqtt", self.broker.url)
        servers = [self.start_campus(roles=["admin"], kv=store, name="admin%d" % i)
                   for i in range(3)]
        stubs = [self.stubs(server)[0] for server in servers]
        keys = ["key%02d" % i for i in range(20)]
        for key in keys:
            self.assert_ok(stubs[0].NovoAluno(self.pb.Aluno(matricula=key, nome="nome 0")))
        stop = threading.Event()

        def trouble():
            while not stop.wait(chance.uniform(0.5, 1.5)):
                self.broker.kill()
                time.sleep(chance.uniform(0, 0.5))
                self.broker.start()

        stale = []
        threading_error = []

        def worker(mine, number):
            own = random.Random(seed + number)
            version = 0
            try:
                for _ in range(rounds // 4):
                    key = own.choice(mine)
                    if own.random() < 0.3:
                        version += 1
                        name = "nome %d" % version
                        self.assert_ok(own.choice(stubs).EditaAluno(
                            self.pb.Aluno(matricula=key, nome=name)))
                        expected[key] = name
                    got = own.choice(stubs).ObtemAluno(self.pb.Identificador(id=key)).nome
                    if got != expected[key]:
                        stale.append((key, got, expected[key]))
            except Exception as error:  # pylint: disable=broad-except
                threading_error.append(error)

        expected = {key: "nome 0" for key in keys}
        breaker = threading.Thread(target=trouble)
        breaker.start()
        workers = [threading.Thread(target=worker, args=(keys[i::4], i)) for i in range(4)]
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
        stop.set()
        breaker.join()
        self.assertEqual(threading_error, [])
        self.assertEqual(stale, [])


class WithoutBroker(harness.TestCase):
    def test_everything_works_with_one_warning(self):
        server = self.start_server("--mqtt", "mqtt://127.0.0.1:%d" % harness.free_port())
        stub = harness.admin(self.channel_to(server))
        for number in range(200):
            self.assert_ok(stub.NovoAluno(
                harness.pb().Aluno(matricula="m%05d" % number, nome="nome")))
        time.sleep(2)
        for process in server.processes:
            warnings = [line for line in process.log().splitlines() if "mqtt.unavailable" in line]
            # One for each connection: the relay's, the cache's, that of the foreign messages.
            self.assertLessEqual(len(warnings), 3, warnings)


if __name__ == "__main__":
    unittest.main()
