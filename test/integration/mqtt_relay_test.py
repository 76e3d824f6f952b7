"""Every change is told, whatever dies: three replicas, one broker, and a subscriber with a session.

MATRICULA_RELAY_CHANGES sets how many changes (the long form: 100000).
"""

import json
import os
import random
import threading
import time
import unittest

import grpc

import harness
import mqtt_bus

CHANGES = int(os.environ.get("MATRICULA_RELAY_CHANGES", "1500"))
WRITERS = 12
# Between two misfortunes; the first comes after half of it.
KILL_EVERY_S = float(os.environ.get("MATRICULA_RELAY_KILL_S", "1.2"))


class Writer:
    """Makes changes through whichever replica answers; each has a request id, so that one whose
    answer was lost can be asked for again."""

    def __init__(self, pb, stubs, name, changes, seed):
        self.pb = pb
        self.stubs = stubs
        self.name = name
        self.changes = changes
        self.chance = random.Random(seed)
        self.written = []  # (topic, record) as the bus must tell them
        self.repeated = 0
        self.error = None

    def run(self):
        try:
            for number in range(self.changes):
                self.change(number)
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def change(self, number):
        key = "%s-%06d" % (self.name, number // 3)
        record = {"matricula": key, "nome": "nome %d" % number}
        action, method, message = [
            ("create", "NovoAluno", self.pb.Aluno(**record)),
            ("update", "EditaAluno", self.pb.Aluno(**record)),
            ("delete", "RemoveAluno", self.pb.Identificador(id=key))][number % 3]
        if action == "delete":
            del record["nome"]
        self.until_answered(method, message, "%s-%d" % (self.name, number))
        self.written.append(("portal/admin/aluno/" + action, json.dumps(record)))

    def until_answered(self, method, message, request_id):
        deadline = time.monotonic() + 60
        while True:
            stub = self.chance.choice(self.stubs)
            try:
                status = getattr(stub, method)(message, timeout=5,
                                               metadata=(("x-request-id", request_id),))
                assert status.status == 0, (method, message, status.msg)
                return
            except grpc.RpcError as error:
                if time.monotonic() > deadline:
                    raise
                self.repeated += 1
                assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN,
                                        grpc.StatusCode.DEADLINE_EXCEEDED), error
                time.sleep(0.05)


class Faithful(mqtt_bus.CampusTest):
    def leader_of(self, replicas):
        for replica in replicas:
            status = json.loads(harness.etcdctl(replica.kv_listen, "endpoint", "status", "-w", "json"))
            found = status[0]["Status"]
            if found["leader"] == found["header"]["member_id"]:
                return replica
        return replicas[0]

    def misfortunes(self, replicas, chance, stop, done):
        pause_s = KILL_EVERY_S / 2
        while not stop.wait(pause_s):
            pause_s = chance.uniform(0.5, 1.5) * KILL_EVERY_S
            kind = chance.choice(["leader", "broker", "both"])
            try:
                victims = []
                if kind != "broker":
                    victims.append(self.leader_of(replicas))
                if kind != "leader":
                    victims.append(self.broker)
                for victim in victims:
                    victim.kill()
                time.sleep(chance.uniform(0, 1))
                for victim in victims:
                    victim.start()
                done.append(kind)
            except Exception as error:  # pylint: disable=broad-except
                done.append(error)
                return

    def test_nothing_is_skipped_while_leaders_and_brokers_are_killed(self):
        seed = random.SystemRandom().randrange(2**32)
        print("seed", seed)
        chance = random.Random(seed)
        subscriber = self.subscribe("faithful")
        replicas = self.start_three("--mqtt", self.broker.url)
        stubs = [self.stubs(replica)[0] for replica in replicas]
        self.wait_for_relay(stubs[0], subscriber)
        time.sleep(2.5)  # until the broker has the subscriber's session on disk
        writers = [Writer(self.pb, stubs, "w%02d" % i, CHANGES // WRITERS, seed + i)
                   for i in range(WRITERS)]
        threads = [threading.Thread(target=writer.run) for writer in writers]
        stop, done = threading.Event(), []
        breaker = threading.Thread(target=self.misfortunes, args=(replicas, chance, stop, done))
        began = time.monotonic()
        for thread in threads + [breaker]:
            thread.start()
        for thread in threads:
            thread.join()
        took_s = time.monotonic() - began
        stop.set()
        breaker.join()
        self.assertEqual([writer.error for writer in writers if writer.error], [])
        self.assertEqual([kind for kind in done if not isinstance(kind, str)], [])
        self.assertGreater(len(done), 0)
        wanted = {self.normal(change) for writer in writers for change in writer.written}

        def missing():
            told = {self.normal((topic, payload)) for topic, _, payload in subscriber.of_relay()}
            return wanted - told

        harness.wait_until(lambda: not missing(), 120, "every change to be told", pause_s=1)
        chain = subscriber.chain()
        self.assert_whole(chain)
        print("%d changes in %.0f s, %d calls repeated, misfortunes: %s; told: %d messages of %d "
              "revisions" % (len(wanted), took_s, sum(writer.repeated for writer in writers),
                             {kind: done.count(kind) for kind in sorted(set(done))},
                             len(subscriber.of_relay()), len(chain)))

    @staticmethod
    def normal(change):
        topic, payload = change
        return topic, json.dumps(json.loads(payload), sort_keys=True)


if __name__ == "__main__":
    unittest.main()
