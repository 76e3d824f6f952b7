"""What etcdctl 3.4 builds on keys and leases: locks, elections, mirrors, load; and a watch on which
nothing happens for a while.

MATRICULA_CHECK_PERF=1 adds `etcdctl check perf`, which takes a minute.
"""

import base64
import json
import os
import signal
import time
import unittest

import harness
from etcdctl_pair import CountingProxy, EtcdctlPair, Running, Side

# gRPC servers of C++ throw clients out that ping as often as etcd's do, after 50 s of silence,
# unless they are told not to.
IDLE_S = 65


class Recipes(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.pair = EtcdctlPair(self)

    def test_lock(self):
        for side in self.pair.sides:
            holder = side.start("lock", "mutex")
            self.addCleanup(holder.stop)
            key = holder.wait_for_lines(1)[0]
            self.assertTrue(key.startswith("mutex/"))
            waiter = side.start("lock", "mutex")
            self.addCleanup(waiter.stop)
            harness.wait_until(lambda: len(side.output("get", "mutex", "--prefix",
                                                       "--keys-only").split()) == 2,
                               what="the second in the queue")
            self.assertEqual(waiter.lines(), [])
            holder.stop(signal.SIGINT)
            next_key = waiter.wait_for_lines(1)[0]
            self.assertNotEqual(next_key, key)
            self.assertEqual(waiter.stop(signal.SIGINT), 0)
        # With a command, the lock lasts as long as that.
        told = self.pair.run("lock", "mutex", "echo", "held")
        self.assertEqual(told, "held\n")
        self.assertEqual(self.pair.run("get", "mutex", "--prefix"), "")

    def test_a_dead_holder_loses_its_lock(self):
        side = self.pair.ours
        holder = side.start("lock", "mutex", "--ttl", 2)
        self.addCleanup(holder.stop)
        holder.wait_for_lines(1)
        waiter = side.start("lock", "mutex")
        self.addCleanup(waiter.stop)
        holder.stop(signal.SIGKILL)
        waiter.wait_for_lines(1)

    def test_elect(self):
        for side in self.pair.sides:
            leader = side.start("elect", "boss", "first")
            self.addCleanup(leader.stop)
            self.assertEqual(leader.wait_for_lines(2)[1], "first")
            observer = side.start("elect", "-l", "boss")
            self.addCleanup(observer.stop)
            self.assertEqual(observer.wait_for_lines(2)[1], "first")
            heir = side.start("elect", "boss", "second")
            self.addCleanup(heir.stop)
            harness.wait_until(lambda: len(side.output("get", "boss", "--prefix",
                                                       "--keys-only").split()) == 2,
                               what="the second candidate")
            self.assertEqual(heir.lines(), [])
            leader.stop(signal.SIGINT)
            self.assertEqual(heir.wait_for_lines(2)[1], "second")
            self.assertEqual(observer.wait_for_lines(4)[3], "second")
            heir.stop(signal.SIGINT)

    def test_make_mirror(self):
        ours, stock = self.pair.sides
        self.mirror(ours, stock, "from-ours/")
        self.mirror(stock, ours, "from-stock/")

    def mirror(self, source, target, prefix):
        """What was there, what comes, what goes; transactions too; under a prefix of its own."""
        for number in range(30):
            source.output("put", "%skey%02d" % (prefix, number), "old%d" % number)
        mirror = source.start("make-mirror", "--prefix", prefix, "--dest-prefix", "copy/",
                              target.address)
        self.addCleanup(mirror.stop)
        harness.wait_until(lambda: len(self.copied(target, "copy/")) == 30, what="the first copy")
        # The copy is done before the watch is in place, which nothing tells of; it does not matter,
        # because the watch goes on from the revision of the copy.
        source.output("put", prefix + "key00", "new")
        source.output("del", prefix + "key01")
        source.output("txn", stdin="\nput %sa 1\nput %sb 2\ndel %skey02\n\n\n" % ((prefix,) * 3))
        expected = {key.replace(prefix, "copy/", 1): value
                    for key, value in self.copied(source, prefix).items()}
        self.assertEqual(len(expected), 30)
        harness.wait_until(lambda: self.copied(target, "copy/") == expected, what="the changes")
        mirror.stop()
        target.output("del", "copy/", "--prefix")

    @staticmethod
    def copied(side, prefix):
        answer = json.loads(side.output("get", prefix, "--prefix", "-w", "json"))
        decode = base64.b64decode
        return {decode(kv["key"]).decode(): decode(kv["value"]).decode()
                for kv in answer.get("kvs", [])}

    @unittest.skipUnless(os.environ.get("MATRICULA_CHECK_PERF"), "takes a minute")
    def test_check_perf(self):
        side = self.pair.ours
        check = side.start("check", "perf", "--load", "s", "--auto-compact", "--auto-defrag")
        self.addCleanup(check.stop)
        self.assertEqual(check.wait(180), 0, check.lines())
        self.assertIn("PASS", check.lines()[-1])
        print("\n".join(line for line in check.lines() if "PASS" in line))


class Idle(harness.TestCase):
    def test_a_watch_stays_connected_when_idle(self):
        server = self.start_server(roles=["kv-replica"])
        proxy = CountingProxy(server.kv_listen)
        self.addCleanup(proxy.close)
        side = Side("ours", server)
        side.address = proxy.address
        watch = Running(side, ["watch", "k", "--rev", "2"], False)
        self.addCleanup(watch.stop)
        harness.wait_until(lambda: proxy.connections, what="the watch")
        time.sleep(IDLE_S)
        self.assertEqual((watch.running(), watch.lines()), (True, []))
        self.assertEqual(proxy.connections, 1)
        side.address = server.kv_listen
        side.output("put", "k", "awake")
        self.assertEqual(watch.wait_for_lines(3), ["PUT", "k", "awake"])
        self.assertEqual(proxy.connections, 1)


if __name__ == "__main__":
    harness.main()
