"""What the tests of several members share: processes that are one store."""

import itertools
import os
import subprocess
import threading

import grpc

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


def data_tool(data, *words):
    """See data_tool.cc; for a member that is not running."""
    return subprocess.run([os.environ["MATRICULA_DATA_TOOL"], data, *words], check=True,
                          capture_output=True, encoding="utf-8").stdout


def put_request(key, value):
    """A PutRequest, by hand to need no further package."""
    def field(number, content):
        length, size = b"", len(content)
        while size >= 128:
            length += bytes([size % 128 + 128])
            size //= 128
        return bytes([number * 8 + 2]) + length + bytes([size]) + content
    return field(1, key) + field(2, value)


class Load:
    """Clients that put as fast as they are answered, until they have put `count` keys in all, or
    until stop(), or the test program ends."""

    CLIENTS = 8

    def __init__(self, addresses, value_bytes, count=None):
        self.done = 0
        self._left = None if count is None else iter(range(count))
        self._value = b"v" * value_bytes
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True,
                                          args=(addresses[i % len(addresses)], i))
                         for i in range(self.CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _run(self, address, number):
        with harness.open_channel(address) as channel:
            put = channel.unary_unary("/etcdserverpb.KV/Put")
            for turn in itertools.count():
                with self._lock:
                    over = self._left is not None and next(self._left, None) is None
                if over or self._stop.is_set():
                    return
                try:
                    put(put_request(b"load-%d-%d" % (number, turn % 500), self._value), timeout=30)
                except grpc.RpcError:
                    continue  # tried again by the next one
                with self._lock:
                    self.done += 1

    def join(self):
        for thread in self._threads:
            thread.join()

    def stop(self):
        self._stop.set()
        self.join()


class Case(harness.TestCase):
    def start_three(self, roles=("kv-replica",), flags=()):
        addresses = [harness.free_address() for _ in range(3)]
        peers = [flag for address in addresses for flag in ("--peer", address)]
        members = [self.manage(Member(address, [*peers, *flags], roles)) for address in addresses]
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

    def member_id_at(self, member, raft_listen):
        return int(next(m[0] for m in self.members_of(member) if raft_listen in m[3]), 16)
