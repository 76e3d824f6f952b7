"""Caches that never lie: what one server has acknowledged, every other one shows at once, while the
broker is killed, wiped and started again, and the network between loses, repeats and reorders.

MATRICULA_STORE: `replica` (default), `etcd`, or `three` replicas. MATRICULA_CACHE_ROUNDS sets how
often something is written and then read (the long form: 100000).
"""

import os
import random
import threading
import time
import unittest

import harness
import mqtt_bus
import mqtt_proxy

ROUNDS = int(os.environ.get("MATRICULA_CACHE_ROUNDS", "2400"))
READERS_AND_WRITERS = 8
SEATS = 1000


class Scribe:
    """Owns some students, a professor and a class that nobody else writes; so it knows what everybody
    must see. Each step writes through one server and reads through another."""

    def __init__(self, pb, admins, portals, number, seed):
        self.pb = pb
        self.admins = admins
        self.portals = portals
        self.chance = random.Random(seed + number)
        self.students = {"al%02d-%02d" % (number, i): None for i in range(8)}
        self.teacher = "prof-%02d" % number
        self.klass = "turma-%02d" % number
        self.class_name = "turma"
        self.enrolled = set()
        self.version = 0
        self.pairs = 0
        self.stale = []
        self.error = None

    def prepare(self):
        admin = self.admins[0]
        self.must(admin.NovoProfessor(self.pb.Professor(siape=self.teacher, nome="professor")))
        self.must(admin.NovaDisciplina(
            self.pb.Disciplina(sigla=self.klass, nome=self.class_name, vagas=SEATS)))

    @staticmethod
    def must(status):
        assert status.status == 0, status.msg

    def run(self, rounds):
        try:
            while self.pairs < rounds:
                self.step()
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def step(self):
        student = self.chance.choice(sorted(self.students))
        steps = [self.write_student, self.write_student, self.write_student, self.write_class,
                 self.write_enrollment, self.only_read]
        self.chance.choice(steps)(student)

    def two(self, servers):
        """The one to write through, and another one to read from."""
        writer, reader = self.chance.sample(range(len(servers)), 2)
        return servers[writer], servers[reader]

    def expect(self, what, got, wanted):
        self.pairs += 1
        if got != wanted:
            self.stale.append((what, got, wanted))

    def new_name(self):
        self.version += 1
        return "nome %d" % self.version

    def read_student(self, admin, student):
        found = admin.ObtemAluno(self.pb.Identificador(id=student))
        self.expect(student, found.nome or None, self.students[student])

    def write_student(self, student):
        writer, reader = self.two(self.admins)
        if self.students[student] is None:
            name = self.new_name()
            self.must(writer.NovoAluno(self.pb.Aluno(matricula=student, nome=name)))
            self.students[student] = name
        elif self.chance.random() < 0.2:
            self.must(writer.RemoveAluno(self.pb.Identificador(id=student)))
            self.students[student] = None
            self.enrolled.discard(student)
        else:
            name = self.new_name()
            self.must(writer.EditaAluno(self.pb.Aluno(matricula=student, nome=name)))
            self.students[student] = name
        self.read_student(reader, student)
        if student in self.enrolled:
            self.read_report(self.chance.choice(self.portals))

    def write_class(self, _):
        writer, reader = self.two(self.admins)
        self.class_name = self.new_name()
        self.must(writer.EditaDisciplina(
            self.pb.Disciplina(sigla=self.klass, nome=self.class_name, vagas=SEATS)))
        found = reader.ObtemDisciplina(self.pb.Identificador(id=self.klass))
        self.expect(self.klass, found.nome, self.class_name)

    def write_enrollment(self, student):
        writer, reader = self.two(self.portals)
        pair = self.pb.DisciplinaPessoa(disciplina=self.klass, idPessoa=student)
        if self.students[student] is None:
            assert writer.AdicionaAluno(pair).status == 1
        elif student in self.enrolled:
            self.must(writer.RemoveAluno(pair))
            self.enrolled.discard(student)
        else:
            self.must(writer.AdicionaAluno(pair))
            self.enrolled.add(student)
        self.read_report(reader)

    def read_report(self, portal):
        report = portal.DetalhaDisciplina(self.pb.Identificador(id=self.klass))
        self.expect("roster of " + self.klass, {a.matricula: a.nome for a in report.alunos},
                    {s: self.students[s] for s in self.enrolled})

    def only_read(self, student):
        for admin in self.admins:
            self.read_student(admin, student)


class Cache(mqtt_bus.CampusTest):
    def trouble(self, chance, stop, done):
        while not stop.wait(chance.uniform(0.3, 2.5)):
            self.broker.kill()
            wiped = chance.random() < 0.5
            if wiped:
                self.broker.wipe()
            time.sleep(chance.uniform(0, 0.5))
            self.broker.start()
            done.append("wiped" if wiped else "killed")

    def test_what_one_server_acknowledged_every_other_shows_at_once(self):
        seed = random.SystemRandom().randrange(2**32)
        print("seed", seed)
        proxy = self.manage(mqtt_proxy.MqttProxy(self.broker, seed)).start()
        store = self.start_store("--mqtt", proxy.url)
        servers = [self.start_server("--mqtt", proxy.url, roles=[role], kv=store,
                                     name="%s%d" % (role, i))
                   for role in ("admin", "portal") for i in range(2)]
        admins = [mqtt_bus.Patient(self.stubs(server)[0]) for server in servers[:2]]
        portals = [mqtt_bus.Patient(self.stubs(server)[1]) for server in servers[2:]]
        scribes = [Scribe(self.pb, admins, portals, i, seed) for i in range(READERS_AND_WRITERS)]
        for scribe in scribes:
            scribe.prepare()
        stop, broken = threading.Event(), []
        breaker = threading.Thread(target=self.trouble,
                                   args=(random.Random(seed), stop, broken))
        threads = [threading.Thread(target=scribe.run, args=(ROUNDS // len(scribes),))
                   for scribe in scribes]
        began = time.monotonic()
        for thread in threads + [breaker]:
            thread.start()
        for thread in threads:
            thread.join()
        took_s = time.monotonic() - began
        stop.set()
        breaker.join()
        self.assertEqual([scribe.error for scribe in scribes if scribe.error], [])
        self.assertEqual([stale for scribe in scribes for stale in scribe.stale], [])
        print("%d reads after a write in %.0f s, none stale; broker: %d times killed, %d times "
              "wiped too; calls repeated: %d; messages: %s" % (
                  sum(scribe.pairs for scribe in scribes), took_s, len(broken),
                  broken.count("wiped"), sum(stub.repeated for stub in admins + portals),
                  proxy.done()))


if __name__ == "__main__":
    unittest.main()
