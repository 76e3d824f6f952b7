"""Servers with the addresses of all replicas ask the one that leads, wherever the lead goes."""

import re
import time
import urllib.request

import cluster
import harness

# The store's client knows a new leader by then, on a machine that has much else to do.
SOON_S = 5


class LeaderTest(cluster.Case):
    def setUp(self):
        super().setUp()
        raft = [harness.free_address() for _ in range(3)]
        peers = [flag for address in raft for flag in ("--peer", address)]
        self.metrics = {}
        self.members = []
        for address in raft:
            port = harness.free_address()
            member = self.manage(cluster.Member(address, ["--metrics-listen", port, *peers]))
            self.metrics[member] = port
            self.members.append(member.launch())
        self.wait_serving(self.members)
        self.pb = harness.pb()
        self.written = 0

    def handled(self, member):
        """How many calls of clients' this member has answered."""
        with urllib.request.urlopen("http://%s/metrics" % self.metrics[member], timeout=5) as page:
            text = page.read().decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if line.startswith("grpc_server_handled_total{")
                   and re.search('grpc_service="etcdserverpb.KV"', line))

    def use(self, admin):
        """A few reads and a write."""
        self.written += 1
        key = "12121BSI%03d" % self.written
        self.assert_ok(admin.NovoAluno(self.pb.Aluno(matricula=key, nome="Rita Exemplo")))
        for _ in range(3):
            self.assertEqual(admin.ObtemAluno(self.pb.Identificador(id=key)).nome, "Rita Exemplo")

    def asks_only(self, admin, member, members):
        before = {m: self.handled(m) for m in members}
        for _ in range(3):
            self.use(admin)
        grown = {m: self.handled(m) - before[m] for m in members}
        return grown[member] >= 12 and sum(grown.values()) == grown[member]

    def assert_turns_to(self, admin, member, members):
        began = time.monotonic()
        harness.wait_until(lambda: self.asks_only(admin, member, members),
                           what="the leader to be asked, and nobody else")
        self.assertLess(time.monotonic() - began, SOON_S * harness.ROOM)

    def test_the_leader_is_asked_wherever_the_lead_goes(self):
        leader = self.leader_of(self.members)
        others = [m for m in self.members if m is not leader]
        server = self.start_server(roles=["admin"],
                                   kv=",".join(m.kv_listen for m in [*others, leader]))
        admin = harness.admin(self.channel_to(server))
        self.assert_turns_to(admin, leader, self.members)

        run = cluster.etcdctl(leader.kv_listen, "move-leader", "%x" % others[0].status()["id"])
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assert_turns_to(admin, others[0], self.members)

        others[0].kill()
        alive = [leader, others[1]]
        self.use(admin)
        self.assert_turns_to(admin, self.leader_of(alive), alive)


if __name__ == "__main__":
    harness.main()
