"""What the tests of the campus bus share."""

import subprocess
import threading
import time
import uuid

import grpc

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
        self._process.stdout.close()

    def of_relay(self):
        return [line for line in list(self.lines) if "rev" in line[1]]

    def chain(self):
        """(prev, rev) of each revision told, in order, after removing repeats."""
        seen = set()
        chain = []
        for _, properties, _ in self.of_relay():
            if properties["rev"] not in seen:
                seen.add(properties["rev"])
                chain.append((int(properties["prev"]), int(properties["rev"])))
        return chain


class Patient:
    """A stub whose calls are repeated while the server has trouble, each under one request id, so that
    a write happens once. `repeated` counts."""

    GIVE_UP_S = 240
    TROUBLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN,
               grpc.StatusCode.DEADLINE_EXCEEDED)

    def __init__(self, stub):
        self._stub = stub
        self.repeated = 0

    def __getattr__(self, method):
        def call(message):
            metadata = (("x-request-id", uuid.uuid4().hex),)
            deadline = time.monotonic() + self.GIVE_UP_S
            while True:
                try:
                    return getattr(self._stub, method)(message, timeout=20, metadata=metadata)
                except grpc.RpcError as error:
                    if error.code() not in self.TROUBLE or time.monotonic() > deadline:
                        raise
                    self.repeated += 1
                    time.sleep(0.1)
        return call


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
        """A store for servers that a test starts one by one: its endpoints. MATRICULA_STORE says
        which; a stock etcd knows no arguments, `three` are three replicas of ours."""
        if harness.STORE == "etcd":
            return self.start_etcd().listen
        if harness.STORE == "three":
            return ",".join(r.kv_listen for r in self.start_three(*arguments, roles=["kv-replica"]))
        return self.start_server(*arguments, roles=["kv-replica"]).kv_listen

    def start_three(self, *arguments, roles=None):
        """Three replicas that are one store."""
        addresses = [harness.free_address() for _ in range(3)]
        peers = [flag for address in addresses for flag in ("--peer", address)]
        replicas = [self.manage(harness.Matriculad(
            ["--raft-listen", address, *peers, *arguments], roles=roles, name="replica%d" % i))
            for i, address in enumerate(addresses)]
        for replica in replicas:
            replica.launch()
        for replica in replicas:
            replica.wait_until_serving()
        return replicas

    def stubs(self, server):
        channel = self.channel_to(server)
        return harness.admin(channel), harness.portal(channel)

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

    def wait_for_ingest(self, admin):
        """Until something that strangers ask for takes effect."""
        harness.wait_until(
            lambda: self.broker.publish("portal/admin/aluno/create", "ready,ready")
            or admin.ObtemAluno(self.pb.Identificador(id="ready")).nome == "ready",
            what="the ingest", pause_s=0.2)

    def assert_whole(self, chain):
        """Revisions in order, each naming the one before it."""
        for before, after in zip(chain, chain[1:]):
            self.assertEqual(after[0], before[1], "a hole in the chain")
            self.assertLess(before[1], after[1])
