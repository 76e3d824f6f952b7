"""The stock etcdctl 3.4 on our replica: every command for keys, leases and members, most of them run
on a stock etcd as well, where the output must be the same."""

import base64
import json
import os
import re

import harness
from etcdctl_pair import EtcdctlPair, error_line, file_size

FIRST_KEYS = (("a", "1"), ("aa", "2"), ("ab", "3"), ("b", "4"), ("c/1", "5"), ("c/2", "6"))


class Keys(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.pair = EtcdctlPair(self)
        self.run_both = self.pair.run

    def fill(self):
        """Keys with different versions, creations and values: revisions 2 to 9."""
        for key, value in FIRST_KEYS:
            self.run_both("put", key, value)
        self.run_both("put", "a", "7")
        self.run_both("put", "b", "0")

    def test_put(self):
        self.assertEqual(self.run_both("put", "foo", "bar"), "OK\n")
        self.assertEqual(self.run_both("put", "foo", "bar2", "--prev-kv"), "OK\nfoo\nbar\n")
        self.run_both("put", "new", "x", "--prev-kv")
        self.run_both("put", "foo", stdin="from standard input")
        self.run_both("put", "foo", "--", "-value")
        self.run_both("put", "empty", "--", "")
        self.run_both("put", "foo", "--ignore-value")
        self.run_both("put", "foo", "x", "--ignore-lease")
        self.run_both("put", "missing", "--ignore-value", code=1)
        self.run_both("put", "missing", "x", "--ignore-lease", code=1)
        self.run_both("put", "foo", "x", "--lease=123abc", code=1)
        self.run_both("put", "foo", "x", "--ignore-lease", "--lease=1", code=1)
        self.run_both("put", "", "x", code=1)
        self.run_both("put", "foo", code=1)
        for form in ("json", "fields", "simple"):
            self.run_both("put", "foo", form, "--prev-kv", "-w", form)
        lease = self.pair.grant(600)
        self.run_both("put", "leased", "x", "--lease", lease)
        self.run_both("get", "leased", "-w", "json")
        self.run_both("put", "leased", "y", "--ignore-lease")
        self.run_both("get", "leased", "-w", "fields")
        self.run_both("put", "leased", "z")
        self.run_both("get", "", "--prefix", "-w", "json")

    def test_put_up_to_the_largest_request(self):
        self.run_both("put", "large", stdin="x" * 1_500_000)
        self.assertIn("request is too large", self.run_both("put", "l", stdin="x" * 1_600_000, code=1))

    def test_get(self):
        self.fill()
        ranges = (["a"], ["a", "b"], ["a", "--prefix"], ["c", "--from-key"], ["", "--prefix"],
                  ["", "--from-key"], ["nothing"], ["b", "a"])
        for words in ranges:
            self.run_both("get", *words)
            self.run_both("get", *words, "--keys-only")
            self.run_both("get", *words, "--print-value-only")
            self.run_both("get", *words, "--rev", 5)
            self.run_both("get", *words, "--limit", 2, "-w", "json")
            self.run_both("get", *words, "--hex")
        for consistency in "ls":
            self.run_both("get", "a", "--consistency", consistency, "-w", "json")
        for revision in (1, 2, 9):
            self.run_both("get", "", "--prefix", "--rev", revision, "-w", "fields")
        for target in ("CREATE", "KEY", "MODIFY", "VALUE", "VERSION"):
            for order in ("ASCEND", "DESCEND", ""):
                self.run_both("get", "", "--prefix", "--sort-by", target, "--order", order)
        self.run_both("get", "", "--prefix", "--sort-by", "VALUE", "--order", "DESCEND", "--limit", 2,
                      "--keys-only", "-w", "json")
        for form in ("simple", "json", "fields"):
            self.run_both("get", "a", "--prefix", "-w", form)

    def test_what_get_refuses(self):
        self.fill()
        for words in (["a", "--rev", 99], [""], ["a", "--sort-by", "COLOUR"], ["a", "--order", "UP"],
                      ["a", "--consistency", "x"], ["a", "--prefix", "--from-key"],
                      ["a", "b", "--prefix"], ["a", "-w", "table"], []):
            self.run_both("get", *words, code=1)

    def test_get_as_protobuf(self):
        self.fill()
        answers = []
        for side in self.pair.sides:
            result = side.run("get", "a", "--prefix", "-w", "protobuf", binary=True)
            self.assertEqual(result.returncode, 0, result.stderr)
            # The header is the first field, and as long as its ids happen to be.
            self.assertEqual(result.stdout[0], 0x0a)
            answers.append(result.stdout[2 + result.stdout[1]:])
        self.assertEqual(answers[0], answers[1])
        self.assertIn(b"aa", answers[0])

    def test_any_bytes(self):
        # The values of arguments cannot have zeros, those of standard input can.
        for key, value in (("çã", "\x01\xff"), ("\x7f", "é"), ("k", "\0\0zero"), ("k", "\n")):
            self.run_both("put", key, stdin=value)
            self.run_both("get", key)
            self.run_both("get", key, "--hex")
            self.run_both("get", key, "-w", "json")

    def test_del(self):
        self.fill()
        self.assertEqual(self.run_both("del", "a"), "1\n")
        self.run_both("del", "a")
        self.run_both("del", "aa", "--prev-kv")
        self.run_both("del", "aa", "ac", "--prev-kv", "-w", "json")
        self.run_both("put", "b", "again")
        self.run_both("del", "c", "--prefix", "--prev-kv")
        self.run_both("put", "z", "1")
        self.run_both("del", "c", "--from-key", "-w", "fields")
        self.run_both("get", "", "--prefix", "-w", "json")
        self.run_both("del", "", "--prefix")
        self.run_both("del", "", code=1)
        self.run_both("del", "a", "b", "--prefix", code=1)
        self.run_both("get", "", "--prefix", "-w", "json")
        self.run_both("get", "", "--prefix", "--rev", 9, "-w", "json")

    def test_txn(self):
        self.run_both("put", "key", "old")
        lease = self.pair.grant(600)
        self.run_both("put", "leased", "x", "--lease", lease)
        transactions = (
            'value("key") = "old"\n\nput key new\nget key\n\nput key no\n\n',
            'value("key") = "old"\n\nput key new\n\nget key\ndel key --prev-kv\nget key\n\n',
            'mod("key") > "0"\ncreate("key") = "0"\nver("none") = "0"\n\nput a 1\nput b 2\n\nget a\n\n',
            'ver("a") < "2"\nversion("a") > "0"\n\ndel a b --prev-kv\nget "" --prefix\n\n\n',
            'c("b") != "1"\n\nget "" --from-key --limit=1\nget b --keys-only\n\n\n',
            '\nput leased y --ignore-lease\nget leased\n\n\n',
            '\nput "with blanks" "and \\"quotes\\""\nget "with blanks"\n\n\n',
            '\n\n\n',
        )
        for transaction in transactions:
            for form in ("simple", "json", "fields"):
                self.run_both("txn", "-w", form, stdin=transaction)
        self.run_both("txn", "-i", stdin=transactions[0])
        self.run_both("get", "", "--prefix", "-w", "json")

    def test_what_txn_refuses(self):
        puts = "".join("put k%d x\n" % i for i in range(129))
        for words, reason in (("put a 1\nput a 2\n", "duplicate key"),
                              ("del a b\nput aa 2\n", "duplicate key"),
                              ("put missing --ignore-value\n", "key not found"),
                              ("get a --rev=77\nput b 1\n", "future revision"),
                              ("put a 1 --lease=77\n", "lease not found"),
                              (puts, "too many operations")):
            self.assertIn(reason, self.run_both("txn", stdin="\n%s\n\n" % words, code=1))
        self.run_both("txn", stdin='colour("a") = "1"\n\n\n\n', code=1)
        self.run_both("get", "", "--prefix", "-w", "json")

    def test_watch(self):
        self.fill()
        watches = [(self.pair.start("watch", *words), lines) for words, lines in (
            (["a", "--rev", 10], 3), (["a", "--rev", 2], 9), (["a", "--prefix", "--rev", 1], 15),
            (["a", "c", "--rev", 1, "--prev-kv"], 27), (["c", "--from-key", "--rev", 6], 11),
            (["a", "--prefix", "--prev-kv", "--rev", 10], 5))]
        self.run_both("put", "a", "8")
        self.run_both("txn", stdin="\nput c/3 x\ndel c/1\n\n\n")
        for watch, count in watches:
            watch.lines(count)
            watch.stop()
        # How events are packed is anybody's choice while they happen, but not afterwards.
        for form, count in (("json", 1), ("fields", 20)):
            watch = self.pair.start("watch", "", "--prefix", "--rev", 8, "-w", form)
            watch.lines(count)
            watch.stop()

    def test_watch_from_now_on(self):
        """No word tells when the watch is in place, so something is put until it is told of."""
        self.fill()
        for side in self.pair.sides:
            watch = side.start("watch", "a")
            self.addCleanup(watch.stop)
            harness.wait_until(lambda: side.output("put", "a", "probe") and watch.lines(),
                               what="the watch")
            side.output("put", "a", "last")
            harness.wait_until(lambda: watch.lines()[-1] == "last", what="the last event")
            self.assertEqual(set(watch.lines()), {"PUT", "a", "probe", "last"})

    def test_watch_interactively(self):
        self.fill()
        watch = self.pair.start("watch", "-i", stdin=True)
        watch.write("watch a --rev 2\n")
        watch.lines(6)
        watch.write("progress\n")
        self.assertEqual(watch.lines(7)[-1], "progress notify: 9")
        watch.write("watch c d --rev 6 --prev-kv\n")
        watch.lines(13)
        watch.stop()

    def test_watch_runs_a_command(self):
        self.run_both("put", "a", "1")
        watch = self.pair.start("watch", "a", "--rev", 1, "--", "sh", "-c",
                                'echo "$ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY $ETCD_WATCH_VALUE '
                                '$ETCD_WATCH_REVISION"')
        self.assertEqual(watch.lines(4)[-1], '"PUT" "a" "1" 2')
        watch.stop()

    def test_watch_of_compacted_history(self):
        self.fill()
        self.run_both("compaction", 5)
        seen = self.run_both("watch", "a", "--rev", 3, code=1)
        self.assertIn("required revision has been compacted", seen)

    def test_leases(self):
        lease = self.pair.grant(600)
        other = self.pair.grant(0)
        self.run_both("lease", "grant", "9000000001", code=1)
        self.run_both("put", "x", "1", "--lease", lease)
        for words in ((), ("--keys",)):
            told = self.run_both("lease", "timetolive", lease, *words)
            self.assertIn("lease LEASE0 granted with TTL(600s), remaining(#s)", told)
            for form in ("json", "fields"):
                self.run_both("lease", "timetolive", lease, *words, "-w", form)
        self.assertIn("attached keys([x])", told)
        self.assertIn("LEASE0 ", self.run_both("lease", "list").replace("\n", " ") + " ")
        self.assertIn("TTL(600)", self.run_both("lease", "keep-alive", "--once", lease))
        self.assertEqual(self.run_both("lease", "revoke", lease), "lease LEASE0 revoked\n")
        self.run_both("get", "", "--prefix", "-w", "json")
        self.run_both("lease", "revoke", lease, code=1)
        self.assertIn("already expired", self.run_both("lease", "timetolive", lease))
        self.run_both("lease", "keep-alive", "--once", lease, code=1)
        harness.wait_until(lambda: all("found 0 leases" in side.output("lease", "list")
                                       for side in self.pair.sides),
                           what="the end of the short lease")
        self.assertIn("already expired", self.run_both("lease", "timetolive", other))

    def test_a_lease_lives_while_it_is_kept_alive(self):
        lease = self.pair.grant(2)
        self.run_both("put", "session", "x", "--lease", lease)
        keeper = self.pair.start("lease", "keep-alive", lease)
        told = keeper.lines(7)  # about four seconds, twice its life
        self.assertEqual(set(told), {"lease LEASE0 keepalived with TTL(2)"})
        self.assertEqual(self.run_both("get", "session"), "session\nx\n")
        keeper.stop()
        harness.wait_until(lambda: self.pair.ours.output("get", "session") == "" and
                           self.pair.stock.output("get", "session") == "", what="its end")
        self.run_both("get", "session", "-w", "json")

    def test_compaction(self):
        self.fill()
        self.run_both("del", "c/1")
        self.assertEqual(self.run_both("compaction", 6), "compacted revision 6\n")
        for revision, code in ((5, 1), (6, 0), (0, 0)):
            self.run_both("get", "", "--prefix", "--rev", revision, "-w", "json", code=code)
        self.run_both("compaction", 6, code=1)
        self.run_both("compaction", 77, code=1)
        self.run_both("endpoint", "hashkv")
        self.assertEqual(self.run_both("compaction", "--physical", 10), "compacted revision 10\n")
        self.run_both("compaction", code=1)
        self.run_both("endpoint", "hashkv")

    def test_endpoints(self):
        self.fill()
        self.assertIn("is healthy", self.run_both("endpoint", "health"))
        self.run_both("endpoint", "health", "--cluster")
        for revision in (0, 3, 9):
            self.run_both("endpoint", "hashkv", "--rev", revision)
        self.run_both("endpoint", "hashkv", "-w", "json")
        self.run_both("endpoint", "hashkv", "--rev", 99, code=1)
        stock, ours = ([json.loads(side.output("endpoint", "status", "-w", "json"))[0]["Status"]]
                       for side in (self.pair.stock, self.pair.ours))
        # Whose log it is decides the indexes, and a terse encoding leaves out what is zero.
        optional = {"raftIndex", "raftAppliedIndex"}
        self.assertEqual(set(stock[0]) - optional, set(ours[0]) - optional)
        self.assertEqual(stock[0]["version"], ours[0]["version"])
        self.assertEqual(ours[0]["header"]["member_id"], ours[0]["leader"])
        self.assertIn("| IS LEADER |", self.pair.ours.output("endpoint", "status", "-w", "table"))

    def test_members(self):
        [member] = json.loads(self.pair.ours.output("member", "list", "-w", "json"))["members"]
        self.assertEqual(member["clientURLs"], ["http://" + self.pair.ours.address])
        for form in ("simple", "json", "table", "fields"):
            self.pair.ours.output("member", "list", "-w", form)
        self.assertIn("member not found", self.run_both("member", "remove", "77", code=1))
        self.run_both("member", "promote", "77", code=1)
        self.run_both("member", "update", "77", "--peer-urls", "http://127.0.0.1:1", code=1)
        self.run_both("member", "add", "x", "--peer-urls", "nonsense", code=1)
        said = [error_line(side.run("member", "remove", self.id_of(side)).stderr)
                for side in self.pair.sides]
        self.assertEqual(said[0], said[1])
        self.assertIn("not enough started members", said[0])
        said = [error_line(side.run("member", "promote", self.id_of(side)).stderr)
                for side in self.pair.sides]
        self.assertEqual(said[0], said[1])
        self.run_both("move-leader", "77", code=1)

    @staticmethod
    def id_of(side):
        return side.output("member", "list").split(",")[0]

    def test_defragmentation(self):
        self.fill()
        self.assertEqual(self.run_both("defrag"), "Finished defragmenting etcd member[ADDRESS]\n")
        self.run_both("defrag", "--cluster")
        self.run_both("get", "", "--prefix", "-w", "json")

    def test_snapshot(self):
        self.fill()
        path = os.path.join(harness.temporary_directory(), "backup")
        self.assertIn("Snapshot saved at", self.pair.ours.output("snapshot", "save", path))
        # What etcdctl wants of its size; its sum is checked by `matriculad ctl`.
        self.assertEqual(file_size(path) % 512, 32)
        self.assertEqual(os.listdir(os.path.dirname(path)), ["backup"])
        # The content is not etcd's, and its tool says so instead of believing it.
        status = self.pair.ours.run("snapshot", "status", path)
        self.assertNotEqual(status.returncode, 0)

    def test_authentication_is_off(self):
        """There are no users here, and all answers fit to that."""
        for words, code in ((["user", "list"], 0), (["role", "list"], 0), (["auth", "disable"], 0),
                            (["auth", "enable"], 1), (["user", "get", "x"], 1),
                            (["user", "delete", "x"], 1), (["role", "get", "x"], 1),
                            (["role", "delete", "x"], 1), (["user", "grant-role", "x", "y"], 1),
                            (["user", "revoke-role", "x", "y"], 1),
                            (["role", "grant-permission", "x", "read", "y"], 1),
                            (["role", "revoke-permission", "x", "y"], 1),
                            (["get", "x", "--user", "x:y"], 0)):
            self.run_both(*words, code=code)
        for words in (["user", "add", "x:y"], ["role", "add", "x"]):
            result = self.pair.ours.run(*words)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn("users and roles are not supported", error_line(result.stderr))


class FullStore(harness.TestCase):
    def test_alarm(self):
        """A store that has reached its quota says so, reads and deletes on, and can be freed."""
        quota = 8 << 20
        pair = EtcdctlPair(self, ours=("--quota-bytes", str(quota)),
                           stock=("--quota-backend-bytes", str(quota)))
        pair.run("put", "kept", "x")
        self.assertEqual(pair.run("alarm", "list"), "")
        for side in pair.sides:
            self.fill(side)
            self.assertRegex(side.output("alarm", "list"), r"^memberID:\d+ alarm:NOSPACE \n$")
            status = json.loads(side.output("endpoint", "status", "-w", "json"))[0]["Status"]
            self.assertRegex(status["errors"][0], r"^memberID:\d+ alarm:NOSPACE $")
        self.refused_while_full(pair)
        self.assertEqual(pair.run("get", "kept"), "kept\nx\n")
        for side in pair.sides:
            side.output("del", "fill", "--prefix")
            revision = re.search(r'"revision":(\d+)', side.output("get", "kept", "-w", "json"))[1]
            side.output("compaction", "--physical", revision)
            side.output("defrag")
            self.assertRegex(side.output("alarm", "disarm"), r"^memberID:\d+ alarm:NOSPACE \n$")
            self.assertEqual(side.output("alarm", "list"), "")
            status = json.loads(side.output("endpoint", "status", "-w", "json"))[0]["Status"]
            self.assertLess(status["dbSize"], quota // 2)
            self.assertNotIn("errors", status)
        self.assertEqual(pair.run("put", "kept", "y"), "OK\n")
        self.assertEqual(pair.run("alarm", "disarm"), "")

    def fill(self, side):
        value = base64.b64encode(os.urandom(600_000)).decode()
        for number in range(30):
            result = side.run("put", "fill%d" % number, stdin=value)
            if result.returncode != 0:
                self.assertIn("etcdserver: mvcc: database space exceeded", result.stderr)
                self.assertGreater(number, 3, "far below the quota")
                return
        self.fail("%s took %d bytes" % (side.name, 30 * len(value)))

    @staticmethod
    def refused_while_full(pair):
        pair.run("put", "small", "x", code=1)
        pair.run("lease", "grant", "60", code=1)
        pair.run("txn", stdin="\nput small x\n\n\n", code=1)
        pair.run("txn", stdin="\nget small\ndel small\n\n\n")


if __name__ == "__main__":
    harness.main()
