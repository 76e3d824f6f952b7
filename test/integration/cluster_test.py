"""Three processes are one store: any takes any request, and the loss of any one is survived."""

import shutil
import time
import unittest

import cluster
import harness
from cluster import Load, Member, data_tool, etcdctl


class ClusterTest(cluster.Case):
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
        self.assertLess(time.monotonic() - began, 0.5 * harness.ROOM)
        self.assertEqual(self.leader_of(alive).status()["term"], term + 1)

    def test_move_leader_and_leases_anywhere(self):
        members = self.start_three()
        leader = self.leader_of(members)
        follower = next(m for m in members if m is not leader)
        target = "%x" % follower.status()["id"]
        run = etcdctl(leader.kv_listen, "move-leader", target)
        self.assertEqual(run.returncode, 0, run.stderr)
        # The old leader knows before the new one's status says so.
        harness.wait_until(follower.leads, what="the new leader to say that it leads")
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

    def test_a_replica_whose_data_is_not_the_others_stops_and_is_rebuilt(self):
        members = self.start_three()
        for i in range(5):
            self.put(members[0], "key-%d" % i, "value")
        leader = self.leader_of(members)
        altered = next(m for m in members if m is not leader)
        healthy = [m for m in members if m is not altered]
        member_id = altered.status()["id"]
        altered.stop()
        data_tool(altered.data, "alter", "key-3", "VALUE")
        altered.start()
        self.assertEqual(self.get(altered, "key-3", "--consistency=s"), "VALUE")

        # It shows when the row is replaced, or whatever was made of it.
        self.put(healthy[0], "key-3", "again")
        alarm = "memberID:%d alarm:CORRUPT" % member_id
        harness.wait_until(
            lambda: alarm in etcdctl(healthy[0].kv_listen, "alarm", "list").stdout,
            what="the alarm")
        harness.wait_until(lambda: not altered.is_serving(), what="NOT_SERVING")
        for words in (["get", "key-1"], ["get", "--consistency=s", "key-1"], ["put", "key", "v"]):
            run = etcdctl(altered.kv_listen, "--command-timeout=3s", *words)
            self.assertNotEqual(run.returncode, 0, words)
            self.assertIn("etcdserver: corrupt cluster", run.stderr, words)
        self.assertEqual(altered.log().count("state.corrupt"), 1)
        for member in healthy:
            self.put(member, "key-1", "goes on")
            self.assertEqual(self.get(member, "key-3"), "again")
        altered.stop()

        altered.command.append("--rebuild")
        altered.start()
        harness.wait_until(lambda: altered.status() and not altered.status()["learner"],
                           what="the rebuilt member's promotion")
        self.assertEqual(self.get(altered, "key-3"), "again")
        self.assertNotEqual(altered.status()["id"], member_id)
        self.assertEqual(etcdctl(altered.kv_listen, "alarm", "list").stdout, "")
        self.assertEqual(len(self.members_of(altered)), 3)
        self.assert_equal_hashes(members)

        # From then on it is started as ever.
        altered.stop()
        altered.command.remove("--rebuild")
        altered.start()
        self.put(altered, "key-3", "and again")
        self.assertEqual(len(self.members_of(altered)), 3)

    def test_a_member_that_is_removed_under_load_ends_soon(self):
        members = self.start_three()
        for removed in (self.leader_of(members), members[0]):
            if not removed.running():
                removed = members[1]
            others = [m for m in members if m is not removed and m.running()]
            member_id = removed.status()["id"]
            load = Load([m.kv_listen for m in [removed, *others]], 100)
            harness.wait_until(lambda: load.done > 100, what="load")
            run = etcdctl(others[0].kv_listen, "member", "remove", "%x" % member_id)
            self.assertEqual(run.returncode, 0, run.stderr)
            began = time.monotonic()
            self.assertEqual(removed.wait(10), 0)
            self.assertLess(time.monotonic() - began, 1.5 * harness.ROOM)
            load.stop()

    def test_one_that_was_down_catches_up_by_a_snapshot_while_load_goes_on(self):
        members = self.start_three(flags=["--raft-log-entries", "100"])
        leader = self.leader_of(members)
        away = next(m for m in members if m is not leader)
        others = [m.kv_listen for m in members if m is not away]
        away.kill()
        # More than one chunk of half a megabyte.
        Load(others, 4_000, count=3_000).join()
        load = Load(others, 100)
        try:
            away.start()
            harness.wait_until(lambda: "snapshot.installed" in away.log(), what="the snapshot")
            done = load.done
            harness.wait_until(lambda: load.done > done + 50, what="load to go on")
        finally:
            load.stop()
        self.assert_equal_hashes(members)
        leader.stop()
        first, last, _ = map(int, data_tool(leader.data, "log").split())
        self.assertGreater(first, 1_000)
        self.assertLess(last - first, 1_500)  # the margin, and a step of compaction

    def test_the_log_is_compacted_by_size_too(self):
        member = self.manage(Member(harness.free_address(), [
            "--raft-log-entries", "1000000", "--raft-log-bytes", str(1 << 20)])).start()
        Load([member.kv_listen], 8_000, count=600).join()
        member.stop()
        first, last, size = map(int, data_tool(member.data, "log").split())
        self.assertGreater(last, 600)
        self.assertGreater(first, 200)
        self.assertLess(size, 3 << 20)
        member.start()
        self.put(member, "key", "goes on")

    def test_a_wiped_replica_is_refused_on_both_sides(self):
        members = self.start_three()
        self.put(members[0], "key", "value")
        wiped = next(m for m in members if not m.leads())
        others = [m for m in members if m is not wiped]
        wiped.kill()
        shutil.rmtree(wiped.data)
        wiped.launch()
        harness.wait_until(lambda: "remove it and add it anew" in wiped.log(), what="why, there")
        harness.wait_until(lambda: all("that member's data is not what it was" in m.log()
                                       for m in others), what="and here")
        self.assertFalse(wiped.is_serving())
        self.put(others[0], "key", "goes on")
        # The one command that mends it.
        wiped.stop()
        wiped.command.append("--rebuild")
        wiped.start()
        self.assertEqual(self.get(wiped, "key"), "goes on")

    def test_a_replica_of_another_cluster_is_refused_on_both_sides(self):
        members = self.start_three()
        stranger = self.manage(Member(harness.free_address(),
                                      ["--peer", members[0].raft_listen])).launch()
        harness.wait_until(lambda: "this is another" in stranger.log(), what="the refusal there")
        harness.wait_until(lambda: "peer.turned_away" in members[0].log(), what="and here")


if __name__ == "__main__":
    unittest.main()
