"""The servers that came before, on the same broker: they publish every change they make as JSON and
keep their own tables by what they hear. Stand-ins for them must stay in step with ours, both ways."""

import json
import random
import subprocess
import threading
import time
import unittest

import harness
import mqtt_bus

STEPS = 60
KEYS = {"aluno": "matricula", "professor": "siape", "disciplina": "sigla"}


class OldServer:
    """Tables in memory, a subscription to portal/#, and one published message per change of its own.
    It believes whatever it hears, its own messages included."""

    def __init__(self, broker):
        self._broker = broker
        self.tables = {kind: {} for kind in KEYS}
        self.students = set()  # (disciplina, matricula)
        self.teachers = {}  # by disciplina
        self.heard = []
        self._process = subprocess.Popen(
            ["mosquitto_sub", "-p", str(broker.port), "-V", "mqttv311", "-t", "portal/#", "-q", "1",
             "-F", "%t %p"], stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        for line in self._process.stdout:
            topic, _, payload = line.rstrip("\n").partition(" ")
            self.heard.append((topic, payload))
            _, part, kind, action = topic.split("/")
            try:
                message = json.loads(payload)
            except ValueError:
                continue  # a person's comma form: they know JSON alone
            if part == "admin":
                self._record(kind, action, message)
            else:
                self._pair(kind, action, message)

    def _record(self, kind, action, message):
        key = message[KEYS[kind]]
        if action != "delete":
            self.tables[kind][key] = message
            return
        self.tables[kind].pop(key, None)
        if kind == "aluno":
            self.students = {pair for pair in self.students if pair[1] != key}
        elif kind == "professor":
            self.teachers = {k: v for k, v in self.teachers.items() if v != key}
        else:
            self.students = {pair for pair in self.students if pair[0] != key}
            self.teachers.pop(key, None)

    def _pair(self, kind, action, message):
        klass, person = message["disciplina"], message["idPessoa"]
        if kind == "professor":
            if action == "add":
                self.teachers[klass] = person
            else:
                self.teachers.pop(klass, None)
        elif action == "add":
            self.students.add((klass, person))
        else:
            self.students.discard((klass, person))

    def change(self, topic, message):
        """As if a client had asked it: its own tables follow when it hears itself."""
        self._broker.publish(topic, json.dumps(message))

    def state(self):
        return (self.tables, self.students, self.teachers)

    def stop(self):
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        self._process.stdout.close()


class OurSide:
    """The same changes through our gRPC portals, and our tables in the same shape."""

    def __init__(self, pb, admin, portal):
        self.pb, self.admin, self.portal = pb, admin, portal

    def change(self, topic, message):
        _, part, kind, action = topic.split("/")
        if part == "mat":
            pair = self.pb.DisciplinaPessoa(disciplina=message["disciplina"],
                                            idPessoa=message["idPessoa"])
            verb = "Adiciona" if action == "add" else "Remove"
            status = getattr(self.portal, verb + kind.capitalize())(pair)
        elif action == "delete":
            status = getattr(self.admin, "Remove" + kind.capitalize())(
                self.pb.Identificador(id=message[KEYS[kind]]))
        else:
            new = "Nova" if kind == "disciplina" else "Novo"
            verb = new if action == "create" else "Edita"
            status = getattr(self.admin, verb + kind.capitalize())(
                getattr(self.pb, kind.capitalize())(**message))
        assert status.status == 0, (topic, message, status.msg)

    def state(self):
        nothing = self.pb.Vazia()
        classes = list(self.admin.ObtemTodasDisciplinas(nothing))
        tables = {
            "aluno": {a.matricula: {"matricula": a.matricula, "nome": a.nome}
                      for a in self.admin.ObtemTodosAlunos(nothing)},
            "professor": {p.siape: {"siape": p.siape, "nome": p.nome}
                          for p in self.admin.ObtemTodosProfessores(nothing)},
            "disciplina": {d.sigla: {"sigla": d.sigla, "nome": d.nome, "vagas": d.vagas}
                           for d in classes}}
        students, teachers = set(), {}
        for klass in classes:
            report = self.portal.DetalhaDisciplina(self.pb.Identificador(id=klass.sigla))
            students |= {(klass.sigla, a.matricula) for a in report.alunos}
            if report.HasField("professor"):
                teachers[klass.sigla] = report.professor.siape
        return (tables, students, teachers)


class Script:
    """Draws changes that make sense, from a model of what all must have."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.tables = {kind: {} for kind in KEYS}
        self.students, self.teachers = set(), {}
        self.number = 0

    def next(self):
        """A change: its topic, its message, and how many changes of records and pairs it makes."""
        while True:
            drawn = self.chance.choice([self.create, self.create, self.update, self.enroll,
                                        self.enroll, self.leave, self.teach, self.delete])()
            if drawn:
                return drawn

    def record(self, kind, key):
        self.number += 1
        record = {KEYS[kind]: key, "nome": "nome, %d \u00e7" % self.number}
        if kind == "disciplina":
            record["vagas"] = 30 + self.number
        return record

    def create(self):
        kind = self.chance.choice(sorted(KEYS))
        record = self.record(kind, "%s%04d" % (kind[:4], self.number))
        self.tables[kind][record[KEYS[kind]]] = record
        return "portal/admin/%s/create" % kind, record, 1

    def update(self):
        kind = self.chance.choice(sorted(KEYS))
        if not self.tables[kind]:
            return None
        record = self.record(kind, self.chance.choice(sorted(self.tables[kind])))
        self.tables[kind][record[KEYS[kind]]] = record
        return "portal/admin/%s/update" % kind, record, 1

    def enroll(self):
        pairs = [(k, a) for k in self.tables["disciplina"] for a in self.tables["aluno"]
                 if (k, a) not in self.students]
        if not pairs:
            return None
        klass, student = self.chance.choice(sorted(pairs))
        self.students.add((klass, student))
        return "portal/mat/aluno/add", {"disciplina": klass, "idPessoa": student, "vagas": 5}, 1

    def leave(self):
        if not self.students:
            return None
        klass, student = self.chance.choice(sorted(self.students))
        self.students.discard((klass, student))
        return "portal/mat/aluno/del", {"disciplina": klass, "idPessoa": student}, 1

    def teach(self):
        if not self.tables["professor"] or not self.tables["disciplina"]:
            return None
        klass = self.chance.choice(sorted(self.tables["disciplina"]))
        if klass in self.teachers:
            teacher = self.teachers.pop(klass)
            return "portal/mat/professor/del", {"disciplina": klass, "idPessoa": teacher}, 1
        teacher = self.chance.choice(sorted(self.tables["professor"]))
        self.teachers[klass] = teacher
        return "portal/mat/professor/add", {"disciplina": klass, "idPessoa": teacher}, 1

    def delete(self):
        kind = self.chance.choice(sorted(KEYS))
        if len(self.tables[kind]) < 2:
            return None
        key = self.chance.choice(sorted(self.tables[kind]))
        del self.tables[kind][key]
        at = {"aluno": 1, "disciplina": 0}.get(kind)
        gone = {pair for pair in self.students if at is not None and pair[at] == key}
        taught = {k for k, t in self.teachers.items()
                  if (kind == "professor" and t == key) or (kind == "disciplina" and k == key)}
        self.students -= gone
        for klass in taught:
            del self.teachers[klass]
        return ("portal/admin/%s/delete" % kind, {KEYS[kind]: key}, 1 + len(gone) + len(taught))

    def state(self):
        return (self.tables, self.students, self.teachers)


class InStep(mqtt_bus.CampusTest):
    def test_old_servers_and_ours_stay_in_step_without_echoes(self):
        seed = random.SystemRandom().randrange(2**32)
        print("seed", seed)
        old = [OldServer(self.broker) for _ in range(2)]
        for server in old:
            self.addCleanup(server.stop)
        ours = OurSide(self.pb, *self.stubs(self.start_campus()))
        watcher = self.subscribe("watcher")
        self.wait_for_relay(ours.admin, watcher)
        self.wait_for_ingest(ours.admin)
        for student in list(ours.admin.ObtemTodosAlunos(self.pb.Vazia())):
            self.assert_ok(ours.admin.RemoveAluno(self.pb.Identificador(id=student.matricula)))
        script = Script(seed)
        sides = [ours] + old
        self.wait_in_step(script, sides)
        time.sleep(0.5)
        told, said = len(watcher.lines), 0
        for _ in range(STEPS):
            side = script.chance.choice(sides)
            topic, message, changes = script.next()
            side.change(topic, message)
            # Ours tells each change once; an old server says it, and ours tells what came of it.
            said += changes if side is ours else changes + 1
            self.wait_in_step(script, sides)
        # Whatever was still to come would come now.
        time.sleep(1)
        self.wait_in_step(script, sides)
        self.assertEqual(len(watcher.lines) - told, said)

    def wait_in_step(self, script, sides):
        def in_step():
            return all(side.state() == script.state() for side in sides)
        try:
            harness.wait_until(in_step, 20, "all to be in step")
        except AssertionError:
            self.assertEqual([side.state() for side in sides], [script.state()] * len(sides))
            raise


if __name__ == "__main__":
    unittest.main()
