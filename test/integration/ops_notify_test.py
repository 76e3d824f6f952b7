"""What a service manager hears: ready, status, alive, stopping. A socket here plays systemd."""

import ctypes
import os
import socket
import threading
import time
import unittest

import cluster
import harness
from ops_metrics_test import get

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000  # of waitpid: also for threads


class Manager:
    """Listens as systemd does; `heard` is [(when, line)]."""

    def __init__(self, watchdog_ms=0):
        self.path = os.path.join(harness.temporary_directory(), "notify")
        self.watchdog_ms = watchdog_ms
        self.heard = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            for line in self._socket.recv(4096).decode().split("\n"):
                self.heard.append((time.monotonic(), line))

    def environment(self):
        extra = {"NOTIFY_SOCKET": self.path}
        if self.watchdog_ms:
            extra["WATCHDOG_USEC"] = str(self.watchdog_ms * 1000)
        return harness.clean_environment(**extra)

    def lines(self):
        return [line for _, line in self.heard]

    def count(self, line):
        return self.lines().count(line)

    def status(self):
        found = [line for line in self.lines() if line.startswith("STATUS=")]
        return found[-1][len("STATUS="):] if found else None

    def silent_s(self, line):
        return time.monotonic() - max(when for when, said in self.heard if said == line)


class StoppedThread:
    """One thread of another process, stopped as a debugger stops it; the others go on."""

    def __init__(self, pid, name):
        folder = "/proc/%d/task" % pid
        names = {int(tid): open("%s/%s/comm" % (folder, tid), encoding="utf-8").read().strip()
                 for tid in os.listdir(folder)}
        found = [tid for tid, comm in names.items() if comm == name]
        assert len(found) == 1, (name, names)
        self.tid = found[0]
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self._ptrace(PTRACE_SEIZE)
        self._ptrace(PTRACE_INTERRUPT)
        os.waitpid(self.tid, WALL)

    def _ptrace(self, request):
        result = self._libc.ptrace(request, self.tid, None, None)
        assert result == 0, os.strerror(ctypes.get_errno())

    def resume(self):
        self._ptrace(PTRACE_DETACH)


class NotifyTest(harness.TestCase):
    def start_under(self, manager, *arguments, **options):
        server = self.manage(harness.Matriculad(arguments, **options))
        server.environment = manager.environment()
        return server.launch()

    def wait_for(self, manager, line, count=1):
        harness.wait_until(lambda: manager.count(line) >= count, what=line)

    def test_ready_comes_when_it_serves_and_stopping_before_it_ends(self):
        manager = Manager()
        server = self.start_under(manager)
        self.wait_for(manager, "READY=1")
        self.assertTrue(server.is_serving())
        self.assertEqual(manager.status(), "serving")
        self.assertEqual(manager.count("WATCHDOG=1"), 0)  # nobody has asked for it
        self.assertEqual(server.stop(), 0)
        self.assertEqual(manager.count("STOPPING=1"), 1)

    def test_the_command_of_each_unit_gets_ready(self):
        """As it stands there, but for the places of this machine and its free ports."""
        kv = harness.free_address()
        folder = harness.temporary_directory()
        for unit in ("matriculad-kv-replica", "matriculad-admin", "matriculad-portal",
                     "matriculad"):
            manager = Manager(watchdog_ms=2000)
            path = os.path.join(harness.SOURCE, "config", "systemd", unit + ".service")
            with open(path, encoding="utf-8") as file:
                line = next(line for line in file if line.startswith("ExecStart="))
            command = [word.replace("/usr/bin/matriculad", harness.BINARY)
                       .replace("/etc/matriculad", os.path.join(harness.SOURCE, "config"))
                       for word in line.split("=", 1)[1].split()]
            environment = {**manager.environment(), "MATRICULAD_MQTT": "off",
                           "MATRICULAD_LISTEN": harness.free_address()}
            environment["MATRICULAD_KV_LISTEN"] = (
                kv if unit == "matriculad-kv-replica" else harness.free_address())
            if unit in ("matriculad-admin", "matriculad-portal"):
                environment["MATRICULAD_KV"] = kv
                del environment["MATRICULAD_KV_LISTEN"]
            state = os.path.join(folder, unit)  # StateDirectory, where relative paths begin
            os.mkdir(state)
            self.manage(harness.Process(unit, command, state, environment)).launch()
            self.wait_for(manager, "READY=1")
            self.wait_for(manager, "WATCHDOG=1")
            self.assertEqual(manager.status(), "serving")

    def test_who_cannot_start_never_says_ready(self):
        manager = Manager()
        server = self.start_under(manager)
        self.wait_for(manager, "READY=1")
        second_manager = Manager()
        second = self.start_under(second_manager, data=server.data)
        self.assertEqual(second.wait(), 78)
        self.assertEqual(second_manager.count("READY=1"), 0)

    def test_without_a_majority_it_says_honestly_what_it_waits_for(self):
        manager = Manager()
        addresses = [harness.free_address() for _ in range(2)]
        peers = [flag for address in addresses for flag in ("--peer", address)]
        members = [self.manage(cluster.Member(address, peers)) for address in addresses]
        members[0].environment = manager.environment()
        members[0].launch()
        harness.wait_until(lambda: manager.status() == "waiting for a majority of the replicas",
                           what="the status")
        members[1].launch()
        self.wait_for(manager, "READY=1")
        harness.wait_until(lambda: manager.status() == "serving", what="serving")
        members[1].kill()
        harness.wait_until(lambda: manager.status() == "waiting for a majority of the replicas",
                           what="the loss")

    def test_a_process_that_stands_still_falls_silent(self):
        manager = Manager(watchdog_ms=2000)
        server = self.start_under(manager)
        self.wait_for(manager, "WATCHDOG=1", 3)
        server.pause()
        time.sleep(1.2)
        count = manager.count("WATCHDOG=1")
        time.sleep(1)
        self.assertEqual(manager.count("WATCHDOG=1"), count)
        server.resume()
        self.wait_for(manager, "WATCHDOG=1", count + 2)

    def test_one_loop_that_stands_still_silences_the_process(self):
        metrics = harness.free_address()
        for part in ("apply", "accept", "calls"):
            with self.subTest(part):
                manager = Manager(watchdog_ms=2400)
                server = self.start_under(manager, "--metrics-listen", metrics,
                                          roles=["kv-replica"])
                self.wait_for(manager, "WATCHDOG=1", 3)
                stopped = StoppedThread(server.pid, part)
                harness.wait_until(lambda: manager.silent_s("WATCHDOG=1") > 1.5, what="silence")
                self.assertIn("watchdog.hangs parts=%s" % part, server.log())
                self.assertEqual(get(metrics, "/livez"), (503, "hanging: %s\n" % part))
                count = manager.count("WATCHDOG=1")
                stopped.resume()
                self.wait_for(manager, "WATCHDOG=1", count + 1)
                self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
