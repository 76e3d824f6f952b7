"""What operators are told, by `ctl status` and by the service manager, when something is gone: the
broker, a disk, a replica."""

import json
import unittest

import cluster
import harness
from ops_notify_test import Manager

OK, REFUSED, UNREACHABLE = 0, 1, 69
EXIT_IO_ERROR = 74
DISK_BYTES = 4_000_000


class StatusTest(cluster.Case):
    def status(self):
        """The exit code, and the members' troubles by their addresses."""
        run = harness.ctl("--kv", self.store, "--timeout", "2", "--json", "status")
        records = [json.loads(line) for line in run.stdout.splitlines()]
        return run.returncode, {record["endereco"]: record["problemas"]
                                for record in records if "membro" in record}

    def wait_for_status(self, code, troubles):
        """`troubles` is asked about each member's address and what is wrong with it."""
        def told():
            returned, told_of = self.status()
            return returned == code and all(troubles(*item) for item in told_of.items())
        harness.wait_until(told, what="an honest status")

    def all_well(self):
        self.wait_for_status(OK, lambda _, trouble: trouble == "")

    def start_all(self):
        self.broker = self.manage(harness.Mosquitto()).start()
        self.members = self.start_three(flags=("--mqtt", self.broker.url))
        self.store = ",".join(member.kv_listen for member in self.members)
        self.manager = Manager()
        self.portal = self.manage(harness.Matriculad(
            ["--mqtt", self.broker.url], roles=["portal"], kv=self.store, name="portal"))
        self.portal.environment = self.manager.environment()
        self.portal.start()

    def wait_for_portal(self, status):
        harness.wait_until(lambda: self.manager.status() == status, what=status)

    def test_what_is_gone_is_told(self):
        self.start_all()
        self.all_well()
        self.wait_for_portal("serving")

        with self.subTest("the broker"):
            self.broker.kill()
            missing = "no broker at " + self.broker.url
            self.wait_for_status(REFUSED, lambda _, trouble: trouble == missing)
            self.wait_for_portal("serving; " + missing)
            self.assertTrue(self.portal.is_serving())  # it costs nothing but the bus
            self.broker.start()
            self.all_well()
            self.wait_for_portal("serving")

        with self.subTest("a disk"):
            member = next(m for m in self.members if not m.leads())
            others = [m for m in self.members if m is not member]
            self.assertEqual(member.stop(), 0)
            sound = member.command
            member.command = ["prlimit", "--fsize=%d" % DISK_BYTES, *sound]
            member.start()
            for number in range(2 * DISK_BYTES // 100_000):
                self.put(others[0], "key-%d" % number, "x" * 100_000)
            self.assertEqual(member.wait(), EXIT_IO_ERROR)
            self.wait_for_status(REFUSED, lambda address, trouble:
                                 ("UNAVAILABLE" in trouble) == (address == member.kv_listen))
            member.command = sound
            member.start()
            self.all_well()
            self.assert_equal_hashes(self.members)

        with self.subTest("a majority"):
            for member in self.members[1:]:
                member.kill()
            self.wait_for_status(REFUSED, lambda address, trouble: (
                "no leader" if address == self.members[0].kv_listen else "UNAVAILABLE") in trouble)
            self.wait_for_portal("the store does not answer")
            self.members[0].kill()
            self.assertEqual(self.status()[0], UNREACHABLE)
            for member in self.members:
                member.launch()
            self.wait_for_portal("serving")
            self.all_well()

    @unittest.skipIf(harness.accepts_connections(1883), "this machine has a broker of its own")
    def test_a_broker_that_nobody_asked_for_is_not_missed(self):
        server = self.manage(harness.Matriculad(roles=["kv-replica"]))
        default = server.command.index("--mqtt")
        del server.command[default:default + 2]
        server.start()
        harness.wait_until(lambda: "mqtt.unavailable" in server.log(), what="the outage")
        self.store = server.kv_listen
        self.assertEqual(self.status(), (OK, {server.kv_listen: ""}))


if __name__ == "__main__":
    unittest.main()
