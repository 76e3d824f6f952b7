"""The campus bus with a real mosquitto: changes told, foreign messages, life without a broker."""

import re
import subprocess
import time
import unittest

import harness
import mqtt_bus


class Relay(mqtt_bus.CampusTest):
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


class Foreign(mqtt_bus.CampusTest):
    def send_and_settle(self, topic, payload):
        self.broker.publish(topic, payload)
        time.sleep(0.3)

    def test_each_line_of_the_original_readme(self):
        admin, portal = self.stubs(self.start_campus())
        pb = self.pb
        listener = self.subscribe("echo")
        self.wait_for_ingest(admin)

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
        self.wait_for_ingest(admin)
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
        self.wait_for_ingest(admin)
        lines = "\n".join("{broken %d" % i for i in range(10000))
        subprocess.run(["mosquitto_pub", "-p", str(self.broker.port), "-q", "1", "-l", "-t",
                        "portal/admin/aluno/create"], input=lines, text=True, check=True)
        self.broker.publish("portal/admin/professor/create", "last,last")
        harness.wait_until(lambda: admin.ObtemProfessor(self.pb.Identificador(id="last")).siape,
                           what="the message after them")
        self.assertEqual([a.matricula for a in admin.ObtemTodosAlunos(self.pb.Vazia())], ["ready"])
        self.assertLess(len(server.log().splitlines()), 40)
        server.stop()  # then each server tells its totals
        self.assertEqual(sum(int(n) for n in self.last_totals(server, "malformed")), 10000)

    @staticmethod
    def last_totals(server, field):
        """Of each process that has dropped messages, what its last report counts."""
        reports = {process.name: re.findall(r"ingest\.dropped .*\b%s=(\d+)" % field, process.log())
                   for process in server.processes}
        return [found[-1] for found in reports.values() if found]

    def test_ingest_can_be_turned_off(self):
        admin, _ = self.stubs(self.start_campus("--mqtt-ingest", "off"))
        time.sleep(1)
        self.send_and_settle("portal/admin/aluno/create", "11921BSI209,maycon")
        time.sleep(0.5)
        self.assertEqual(admin.ObtemAluno(self.pb.Identificador(id="11921BSI209")).nome, "")


class WithoutBroker(mqtt_bus.CampusTest):
    # More than allocators and a database's buffers need for what the tests below write.
    GROWTH_KB = harness.ROOM * 40 << 10

    def write(self, stub, count, prefix):
        """Creates students; the longest and the median time of a call, in seconds."""
        times = []
        for number in range(count):
            began = time.monotonic()
            self.assert_ok(stub.NovoAluno(
                self.pb.Aluno(matricula="%s%05d" % (prefix, number), nome="nome")))
            times.append(time.monotonic() - began)
        return max(times), sorted(times)[len(times) // 2]

    @staticmethod
    def memory_kb(server):
        total = 0
        for process in server.processes:
            with open("/proc/%d/status" % process.pid, encoding="ascii") as status:
                total += int(next(line for line in status if line.startswith("VmRSS")).split()[1])
        return total

    @staticmethod
    def lines(process, event):
        return [line for line in process.log().splitlines() if " %s " % event in line]

    def test_without_a_broker_there_is_one_warning_and_nothing_waits_or_grows(self):
        absent = self.start_server("--mqtt", "mqtt://127.0.0.1:%d" % harness.free_port())
        off = self.start_server("--mqtt", "off")
        without, reference = (harness.admin(self.channel_to(server)) for server in (absent, off))
        self.write(without, 300, "warm")
        before_kb = self.memory_kb(absent)
        medians = {without: [], reference: []}
        for part in range(8):  # in turn, so that a busy machine is busy for both
            for stub in (without, reference):
                longest, median = self.write(stub, 100, "p%d-" % part)
                medians[stub].append(median)
                self.assertLess(longest, 5)
        self.assertLess(min(medians[without]), 3 * min(medians[reference]))
        self.assertLess(self.memory_kb(absent) - before_kb, self.GROWTH_KB)
        for process in absent.processes:
            self.assertEqual(len(self.lines(process, "mqtt.unavailable")), 1, process.log())

    def test_a_broker_that_comes_and_goes_costs_two_lines_each_time(self):
        server = self.start_campus()
        stub = harness.admin(self.channel_to(server))
        self.write(stub, 200, "warm")
        before_kb = self.memory_kb(server)
        outages = 4
        for number in range(outages):
            def everybody(event, count):
                return all(len(self.lines(p, event)) == count for p in server.processes)
            harness.wait_until(lambda: everybody("mqtt.connected", number + 1), what="connections")
            self.broker.kill()
            longest, _ = self.write(stub, 100, "away%d-" % number)
            self.assertLess(longest, 5)
            harness.wait_until(lambda: everybody("mqtt.unavailable", number + 1), what="warnings")
            self.broker.start()
        longest, _ = self.write(stub, 100, "back")
        self.assertLess(longest, 5)
        harness.wait_until(lambda: everybody("mqtt.connected", outages + 1), what="connections")
        self.assertLess(self.memory_kb(server) - before_kb, self.GROWTH_KB)


if __name__ == "__main__":
    unittest.main()
