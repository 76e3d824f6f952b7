"""Three processes are one store: any takes any request, and the loss of any one is survived."""

import subprocess
import time
import unittest

import harness


def etcdctl(address, *arguments, timeout_s=30):
    return subprocess.run(["etcdctl", "--endpoints", address, *arguments], capture_output=True,
                          encoding="utf-8", timeout=timeout_s, check=False,
                          env=harness.clean_environment(ETCDCTL_API="3"))


class Member(harness.Matriculad):
    def __init__(self, raft_listen, arguments, roles=("kv-replica",)):
        self.raft_listen = raft_listen
        super().__init__(["--raft-listen", raft_listen, *arguments], roles=roles,
                         name="member-" + raft_listen.split(":")[1])

    def status(self):
        """[member id, term, leads, learner], or None."""
        run = etcdctl(self.kv_listen, "endpoint", "status", "--command-timeout=2s",
                      "--write-out=fields")
        if run.returncode != 0:
            return None
        fields = dict(line.split(" : ", 1) for line in run.stdout.splitlines() if " : " in line)
        return {"id": int(fields['"MemberID"']), "leader": int(fields['"Leader"']),
                "term": int(fields['"RaftTerm"']), "learner": fields['"IsLearner"'] == "true"}

    def leads(self):
        status = self.status()
        return status is not None and status["leader"] == status["id"]


class Cluster(harness.TestCase):
    def start_three(self, roles=("kv-replica",)):
        addresses = [harness.free_address() for _ in range(3)]
        peers = [flag for address in addresses for flag in ("--peer", address)]
        members = [self.manage(Member(address, peers, roles)) for address in addresses]
        for member in members:
            member.launch()
        self.wait_serving(members)
        return members

    def wait_serving(self, members):
        for member in members:
            harness.wait_until(member.is_serving, what=member.name + " to serve")

    def leader_of(self, members):
        return harness.wait_until(lambda: next((m for m in members if m.leads()), None),
                                  what="a leader")

    def put(self, member, key, value):
        run = etcdctl(member.kv_listen, "put", key, value)
        self.assertEqual((run.returncode, run.stdout), (0, "OK\n"), run.stderr)

    def get(self, member, key, *flags):
        run = etcdctl(member.kv_listen, "get", "--print-value-only", *flags, key)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout.strip()

    def hash_of(self, member):
        run = etcdctl(member.kv_listen, "endpoint", "hashkv")
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout.split(", ")[1].strip()

    def assert_equal_hashes(self, members):
        harness.wait_until(lambda: len({self.hash_of(m) for m in members}) == 1,
                           what="equal hashes on all members")

    def members_of(self, member):
        run = etcdctl(member.kv_listen, "member", "list")
        self.assertEqual(run.returncode, 0, run.stderr)
        return [line.split(", ") for line in run.stdout.splitlines()]

    def test_any_member_takes_any_request_and_any_may_die(self):
        members = self.start_three()
        for i, member in enumerate(members):
            self.put(member, "key-%d" % i, "from %d" % i)
            for other in members:
                self.assertEqual(self.get(other, "key-%d" % i), "from %d" % i)
        self.assertEqual(len(self.members_of(members[0])), 3)

        leader = self.leader_of(members)
        alive = [m for m in members if m is not leader]
        leader.kill()
        began = time.monotonic()
        self.put(alive[0], "after", "the kill")
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(self.get(alive[1], "after"), "the kill")
        self.assertEqual(self.get(alive[1], "key-0"), "from 0")
        leader.start()
        self.assertEqual(self.get(leader, "after"), "the kill")
        self.assert_equal_hashes(members)

    def test_without_a_quorum_only_what_is_local_is_answered(self):
        members = self.start_three()
        self.put(members[0], "key", "value")
        for member in members:
            self.assertEqual(self.get(member, "key"), "value")
        members[1].kill()
        members[2].kill()
        run = etcdctl(members[0].kv_listen, "put", "key", "lost", timeout_s=20)
        self.assertNotEqual(run.returncode, 0)
        self.assertRegex(run.stderr, "no leader|timed out|deadline")
        self.assertEqual(self.get(members[0], "key", "--consistency=s"), "value")
        harness.wait_until(lambda: not members[0].is_serving(), what="NOT_SERVING")
        members[1].launch()
        self.wait_serving(members[:2])
        self.put(members[0], "key", "again")

    def test_a_clean_stop_hands_over(self):
        members = self.start_three()
        leader = self.leader_of(members)
        alive = [m for m in members if m is not leader]
        term = alive[0].status()["term"]
        self.assertEqual(leader.stop(), 0)
        began = time.monotonic()
        self.put(alive[0], "key", "value")
        self.assertLess(time.monotonic() - began, 0.5)
        self.assertEqual(self.leader_of(alive).status()["term"], term + 1)

    def test_move_leader_and_leases_anywhere(self):
        members = self.start_three()
        leader = self.leader_of(members)
        follower = next(m for m in members if m is not leader)
        target = "%x" % follower.status()["id"]
        run = etcdctl(leader.kv_listen, "move-leader", target)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertTrue(follower.leads())
        run = etcdctl(leader.kv_listen, "lease", "grant", "2")
        lease = run.stdout.split()[1]
        run = etcdctl(leader.kv_listen, "put", "--lease=" + lease, "leased", "value")
        self.assertEqual(run.returncode, 0, run.stderr)
        run = etcdctl(leader.kv_listen, "lease", "keep-alive", "--once", lease)
        self.assertIn("TTL(2)", run.stdout)
        run = etcdctl(leader.kv_listen, "lease", "timetolive", lease, "--keys")
        self.assertIn("leased", run.stdout)
        for member in members:
            harness.wait_until(lambda m=member: self.get(m, "leased") == "",
                               what="the lease to end")

    def add(self, through, raft_listen):
        run = etcdctl(through.kv_listen, "member", "add", "new",
                      "--peer-urls=http://" + raft_listen)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout.split()[1]

    def join(self, through, peers):
        address = harness.free_address()
        self.add(through, address)
        flags = [flag for peer in peers for flag in ("--peer", peer.raft_listen)]
        member = self.manage(Member(address, ["--join", *flags]))
        member.launch()
        self.wait_serving([member])
        harness.wait_until(lambda: member.status() and not member.status()["learner"],
                           what="the new member's promotion")
        return member

    def test_one_member_grows_to_three_and_a_dead_one_is_replaced(self):
        alone = self.start_server(roles=["kv-replica"])
        for i in range(20):
            self.put(alone, "key-%d" % i, "value")
        alone.stop()
        first = self.manage(Member(harness.free_address(), []))
        first.command[first.command.index("--data") + 1] = alone.data
        first.launch()
        self.wait_serving([first])
        self.assertEqual(self.get(first, "key-7"), "value")
        second = self.join(first, [first])
        third = self.join(second, [first, second])
        members = [first, second, third]
        self.put(third, "grown", "yes")
        self.assert_equal_hashes(members)

        first.kill()
        dead = "%x" % self.member_id_at(second, first.raft_listen)
        self.put(second, "still", "alive")
        run = etcdctl(second.kv_listen, "member", "remove", dead)
        self.assertEqual(run.returncode, 0, run.stderr)
        fourth = self.join(second, [second, third])
        self.assertEqual(len(self.members_of(second)), 3)
        self.assertEqual(self.get(fourth, "grown"), "yes")
        self.assert_equal_hashes([second, third, fourth])

    def member_id_at(self, member, raft_listen):
        return int(next(m[0] for m in self.members_of(member) if raft_listen in m[3]), 16)

    def test_a_backup_of_three_becomes_a_store_of_one(self):
        members = self.start_three()
        self.put(members[0], "key", "value")
        file = members[1].directory + "/backup"
        etcdctl(members[1].kv_listen, "get", "key")
        run = etcdctl(members[1].kv_listen, "snapshot", "save", file)
        self.assertEqual(run.returncode, 0, run.stderr)
        data = members[1].directory + "/restored"
        run = harness.ctl("restore", file, "--data", data)
        self.assertEqual(run.returncode, 0, run.stderr)
        alone = self.start_server(roles=["kv-replica"], data=data)
        self.assertEqual(self.get(alone, "key"), "value")
        self.put(alone, "key", "goes on")

    def test_all_roles_in_three_processes(self):
        members = self.start_three(roles=None)
        with members[0].channel() as one, members[1].channel() as two:
            pb = harness.pb()
            self.assert_ok(harness.admin(one).NovoAluno(
                pb.Aluno(matricula="12121BSI001", nome="Rita Exemplo")))
            found = harness.admin(two).ObtemAluno(pb.Identificador(id="12121BSI001"))
            self.assertEqual(found.nome, "Rita Exemplo")

    def test_a_replica_of_another_cluster_is_refused_on_both_sides(self):
        members = self.start_three()
        stranger = self.manage(Member(harness.free_address(),
                                      ["--peer", members[0].raft_listen])).launch()
        harness.wait_until(lambda: "this is another" in stranger.log(), what="the refusal there")
        harness.wait_until(lambda: "peer.turned_away" in members[0].log(), what="and here")


if __name__ == "__main__":
    unittest.main()
