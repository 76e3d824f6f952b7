"""`matriculad ctl member …` and `ctl status` on a cluster that grows, loses a member, and replaces
it: what people read, what programs read, and the exit codes."""

import json

import cluster
import harness
from cluster import Member

OK, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 69


class CtlMemberTest(cluster.Case):

    def ctl(self, code, members, *words):
        run = harness.ctl("--kv", ",".join(m.kv_listen for m in members), "--timeout", "5", *words)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        return run

    def records(self, code, members, *words):
        return [json.loads(line)
                for line in self.ctl(code, members, "--json", *words).stdout.splitlines()]

    def status(self, code, members):
        return {r["endereco"]: r for r in self.records(code, members, "status") if "membro" in r}

    def grow(self, members):
        """One more, through `ctl member add` on any of them."""
        address = harness.free_address()
        told = self.ctl(OK, members, "member", "add", address).stdout
        self.assertIn("http://" + address, told)
        self.assertIn("inicie-o com --join", told)
        peers = [flag for member in members for flag in ("--peer", member.raft_listen)]
        member = self.manage(Member(address, ["--join", *peers])).start()
        harness.wait_until(lambda: member.status() and not member.status()["learner"],
                           what="the new member's promotion")
        return member

    def test_growing_and_replacing(self):
        first = self.manage(Member(harness.free_address(), [])).start()
        members = [first]
        for i in range(10):
            self.put(first, "key-%d" % i, "value")
        members.append(self.grow(members))
        members.append(self.grow(members[::-1]))
        # A new one says where its clients reach it once it takes part.
        harness.wait_until(lambda: all(r["clientes"] for r in self.records(
            OK, members, "member", "list")), what="everybody's introduction")
        listed = self.records(OK, members, "member", "list")
        self.assertEqual([r["papel"] for r in listed], ["votante"] * 3)
        ids = {r["clientes"].split("//")[1]: r["membro"] for r in listed}
        harness.wait_until(
            lambda: all(r["atraso"] == 0 for r in self.status(OK, members).values()),
            what="everybody to be up to date")
        states = self.status(OK, members)
        self.assertEqual(sorted(r["papel"] for r in states.values()),
                         ["líder", "seguidor", "seguidor"])
        self.assertEqual({r["membro"] for r in states.values()}, set(ids.values()))
        self.assertEqual(len({(r["termo"], r["revisao"], r["indice"]) for r in states.values()}), 1)
        self.assertTrue(all(r["bytes"] > 0 and r["alarmes"] == "" for r in states.values()))
        self.assertIn("ATRASO", self.ctl(OK, members, "status").stdout)

        # A dead one shows, and is replaced.
        dead = next(m for m in members if not m.leads())
        alive = [m for m in members if m is not dead]
        dead.kill()
        states = self.status(REFUSED, members)
        self.assertIsNone(states[dead.kv_listen]["papel"])
        self.assertIn("UNAVAILABLE", states[dead.kv_listen]["problemas"])
        self.ctl(OK, [dead, *alive], "member", "remove", ids[dead.kv_listen])
        self.assertEqual(len(self.records(OK, alive, "member", "list")), 2)
        fourth = self.grow(alive)
        self.assertEqual(self.get(fourth, "key-7"), "value")
        self.assert_equal_hashes([*alive, fourth])

        # One that is to stay a learner for now.
        address = harness.free_address()
        self.ctl(OK, alive, "member", "add", address, "--aprendiz")
        peers = [flag for member in alive for flag in ("--peer", member.raft_listen)]
        fifth = self.manage(Member(address, ["--join", *peers])).launch()
        harness.wait_until(lambda: fifth.status() is not None, what="the learner to answer")
        fifth_id = "%x" % fifth.status()["id"]
        harness.wait_until(
            lambda: harness.ctl("--kv", alive[0].kv_listen, "member", "promote",
                                fifth_id).returncode == OK, what="the promotion")
        self.assertEqual([r["papel"] for r in self.records(OK, alive, "member", "list")],
                         ["votante"] * 4)
        self.refusals(alive, fifth_id, address)

    def refusals(self, members, voter, address):
        for words, reason in (
                (["member", "promote", voter], "este membro já é votante"),
                (["member", "promote", "deadbeef"], "não há membro com este ID"),
                (["member", "remove", "deadbeef"], "não há membro com este ID"),
                (["member", "add", address], "já há um membro com este endereço"),
                (["member", "add", "nowhere"], "o endereço deve ser HOST:PORTA")):
            self.assertIn(reason, self.ctl(REFUSED, members, *words).stderr, words)
        self.ctl(USAGE, members, "member", "remove", "não é um ID")
        self.ctl(USAGE, members, "member", "remove")

    def test_a_store_that_cannot_grow_and_one_that_is_not_there(self):
        alone = self.start_server(roles=["kv-replica"])
        run = self.ctl(REFUSED, [alone], "member", "add", harness.free_address())
        self.assertIn("--raft-listen", run.stderr)
        alone.kill()
        for words in (["member", "list"], ["member", "add", "127.0.0.1:1"],
                      ["member", "remove", "1"], ["status"]):
            self.assertEqual(self.ctl(UNREACHABLE, [alone], *words).stdout, "", words)


if __name__ == "__main__":
    harness.main()
