"""At the limits: a thousand watches and readers that do not read; a disk that is full."""

import base64
import concurrent.futures
import json
import os
import subprocess
import threading
import unittest

import grpc

import harness

WATCHERS = os.environ.get("MATRICULA_WATCHERS", "")

EXIT_IO_ERROR = 74
# A stream's queue, what is under way in its connection, and the store's own caches.
MOST_GROWTH_MIB = 100 * harness.ROOM
PUTS = int(os.environ.get("MATRICULA_WATCH_PUTS", "100"))


class Watches(harness.TestCase):
    def setUp(self):
        super().setUp()
        assert WATCHERS, "MATRICULA_WATCHERS must name the program"
        self.server = self.start_server(roles=["kv-replica"])

    def watch(self, *arguments):
        """Every watch hears every put once and in order, or the program fails. What it says of those
        that read, and of those that read only afterwards."""
        before = self.memory_mib("VmRSS")
        done = subprocess.run(
            [WATCHERS, "--target", self.server.kv_listen, *map(str, arguments)],
            stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=300,
            check=False)
        print(done.stdout, "memory in MiB: %d, at most %d" % (before, self.memory_mib("VmHWM")))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLess(self.memory_mib("VmHWM") - before, MOST_GROWTH_MIB)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def memory_mib(self, field):
        with open("/proc/%d/status" % self.server.pid, encoding="ascii") as status:
            return next(int(line.split()[1]) // 1024 for line in status
                        if line.startswith(field + ":"))

    def test_a_thousand_on_few_streams(self):
        (quick,) = self.watch("--streams", 10, "--watches", 100, "--puts", PUTS)
        self.assertEqual((quick["watches"], quick["events"]), (1000, 1000 * PUTS))

    def test_a_thousand_streams(self):
        (quick,) = self.watch("--streams", 1000, "--watches", 1, "--puts", PUTS)
        self.assertEqual((quick["watches"], quick["events"]), (1000, 1000 * PUTS))

    def test_slow_readers_catch_up(self):
        """What they have not read, 200 MB and more, is nobody's burden; then they read all of it."""
        quick, slow = self.watch("--streams", 1, "--slow-streams", 4, "--watches", 250,
                                 "--puts", 2 * PUTS, "--value-bytes", 1000)
        self.assertEqual(quick["events"], 250 * 2 * PUTS)
        self.assertEqual((slow["events"], slow["cancelled"]), (1000 * 2 * PUTS, 0))

    def test_slow_readers_are_told_what_is_compacted(self):
        quick, slow = self.watch("--streams", 1, "--watches", 100, "--slow-streams", 1, "--compact",
                                 "--puts", 3 * PUTS, "--value-bytes", 1000)
        self.assertEqual(quick["events"], 100 * 3 * PUTS)
        self.assertEqual(slow["cancelled"], 100)


def put_request(key, value):
    """An etcdserverpb.PutRequest."""
    def field(number, content):
        length, size = b"", len(content)
        while size >= 0x80:
            length += bytes([size & 0x7F | 0x80])
            size >>= 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + content
    return field(1, key.encode()) + field(2, value)


class FullDisk(harness.TestCase):
    VALUE = bytes(range(250)) * 80

    def fill(self, server):
        """Writes from several sides until the server is gone; the keys that it acknowledged."""
        acknowledged = []
        gone = threading.Event()

        def write(worker):
            with server.channel_to_kv() as channel:
                put = channel.unary_unary("/etcdserverpb.KV/Put")
                for number in range(10_000):
                    key = "k%d-%05d" % (worker, number)
                    try:
                        put(put_request(key, self.VALUE), timeout=20)
                        self.assertFalse(gone.is_set(), "acknowledged after its end")
                        acknowledged.append(key)
                    except grpc.RpcError:
                        return
            self.fail("the disk is never full")

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            writers = [pool.submit(write, worker) for worker in range(8)]
            code = server.wait(60)
            gone.set()
            for writer in writers:
                writer.result()
        self.assertGreater(len(acknowledged), 20)
        return code, acknowledged

    def assert_stopped(self, server, code, reason):
        self.assertEqual(code, EXIT_IO_ERROR, server.log_tail())
        errors = [line for line in server.log().splitlines() if " error " in line]
        self.assertEqual(len(errors), 1, server.log_tail())
        self.assertIn(reason, errors[0])

    def assert_all_there(self, server, keys):
        answer = json.loads(harness.etcdctl(server.kv_listen, "get", "k", "--prefix", "-w", "json"))
        there = {base64.b64decode(kv["key"]).decode(): base64.b64decode(kv["value"])
                 for kv in answer["kvs"]}
        self.assertEqual(set(keys) - set(there), set(), "acknowledged, but lost")
        self.assertEqual({len(value) for value in there.values()}, {len(self.VALUE)})
        self.assertEqual(set(there.values()), {self.VALUE})

    def start_kv(self, *arguments, **options):
        server = self.start_server(*arguments, roles=["kv-replica"], **options)
        server.channel_to_kv = lambda: harness.open_channel(server.kv_listen)
        return server

    @unittest.skipUnless(os.geteuid() == 0, "only root can mount a small disk")
    def test_no_space_left(self):
        disk = harness.temporary_directory()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk],
                          check=False).returncode != 0:
            self.skipTest("mounting is not allowed here")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
        server = self.start_kv(data=os.path.join(disk, "data"))
        code, acknowledged = self.fill(server)
        self.assert_stopped(server, code, "No space left on device")
        server.launch()
        try:
            server.wait_until_serving()  # it may find room enough for that
        except AssertionError:
            self.assertIn("No space left on device", server.log().splitlines()[-1])
        server.kill()
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        server.start()
        self.assert_all_there(server, acknowledged)
        self.assertEqual(server.stop(), 0)

    def test_a_file_may_not_grow(self):
        for arguments in ([], ["--raft-listen", harness.free_address()]):
            with self.subTest(arguments=arguments):
                server = self.start_kv(*arguments)
                server.stop()
                unlimited = server.command
                server.command = ["prlimit", "--fsize=4000000", *unlimited]
                server.start()
                code, acknowledged = self.fill(server)
                self.assert_stopped(server, code, "File too large")
                server.command = unlimited
                server.start()
                self.assert_all_there(server, acknowledged)
                self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    harness.main()
