"""What a run of chaos.py consists of: members with a disk, a clock and a network address that can
go wrong, the network between them, and those who use them meanwhile.

The programs come from the environment: MATRICULAD, MATRICULA_RACE, and MATRICULA_CHAOS, the folder
with matricula_chaos_network, matricula_chaos_traffic and libmatricula_chaos_shim.so; above it is
matricula_data_tool.
"""

import importlib
import mmap
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import harness  # noqa: E402

import grpc  # noqa: E402

RACE = os.environ.get("MATRICULA_RACE", "")
PROGRAMS = os.environ.get("MATRICULA_CHAOS", "")
# How long a member may take, with nothing wrong any more, until it serves.
MEND_TIMEOUT_S = 90
# And how long one that was removed may go on.
REMOVED_TIMEOUT_S = 30
CALL_TIMEOUT_S = 5
EXIT_UNAVAILABLE = 69


class Wrong(Exception):
    """Something that must not be, whatever fault came before."""


def _etcd():
    """The messages and services of the etcd API, generated from proto/ once per process."""
    if not hasattr(_etcd, "modules"):
        out = harness.temporary_directory()
        proto = os.path.join(harness.SOURCE, "proto")
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", "-I" + proto,
                        "--python_out=" + out, "--grpc_python_out=" + out,
                        "etcd_rpc.proto", "etcd_kv.proto"], check=True)
        sys.path.insert(0, out)
        _etcd.modules = (importlib.import_module("etcd_rpc_pb2"),
                         importlib.import_module("etcd_rpc_pb2_grpc"))
    return _etcd.modules


class Controls:
    """The file that the preloaded library reads (`struct control` of shim.c)."""

    FIELDS = ("clock_offset_ns", "sync_delay_us", "limited", "bytes_left", "write_errno",
              "sync_errno")
    SLOTS = 16384
    HEAD = 8 * len(FIELDS)
    SIZE = HEAD + 16 * SLOTS

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.truncate(self.SIZE)
        with open(path, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), self.SIZE)

    def set(self, **values):
        for field, value in values.items():
            struct.pack_into("<q", self._memory, 8 * self.FIELDS.index(field), value)

    def disk_well(self):
        self.set(sync_delay_us=0, limited=0, bytes_left=0, write_errno=0, sync_errno=0)

    def forget_synced(self):
        self._memory[self.HEAD:] = bytes(self.SIZE - self.HEAD)

    def synced(self):
        """inode → how many of its bytes have been synced, of the files that were written to."""
        return {inode: size for inode, size
                in struct.iter_unpack("<Qq", self._memory[self.HEAD:]) if inode}


class Member(harness.Matriculad):
    """One member in a slot of its own: its ports and its disk stay, its identity may not."""

    def __init__(self, number, directory, flags):
        self.number = number
        self.member_name = "m%d" % number
        self.raft_listen = harness.free_address()
        self.proxy_port = harness.free_port()
        self.flags_of_run = flags
        self.down = True     # on purpose
        self.in_cluster = False
        super().__init__(name=self.member_name)
        os.makedirs(directory, exist_ok=True)
        self.directory = directory
        self.data = os.path.join(directory, "data")
        self.log_path = os.path.join(directory, self.member_name + ".log")
        self.controls = Controls(os.path.join(directory, "controls"))
        self.environment = harness.clean_environment(
            LD_PRELOAD=os.path.join(PROGRAMS, "libmatricula_chaos_shim.so"),
            MATRICULA_CHAOS_CONTROL=self.controls.path,
            MATRICULA_CHAOS_SOURCE="127.0.1.%d" % number)
        self._on_disk = {}
        self._channel = harness.open_channel(self.kv_listen, **{
            "grpc.initial_reconnect_backoff_ms": 50, "grpc.max_reconnect_backoff_ms": 200})

    @property
    def peer(self):
        return "%s=127.0.0.1:%d" % (self.member_name, self.proxy_port)

    def set_peers(self, members, *more):
        """What the next start tells it of the others, and more flags for it."""
        self.command = [
            harness.BINARY, "--listen", self.listen, "--kv-listen", self.kv_listen,
            "--raft-listen", self.raft_listen, "--name", self.member_name, "--data", self.data,
            "--mqtt", "off", "--auto-compaction-retention", "0", *self.flags_of_run]
        self.command += [word for member in members for word in ("--peer", member.peer)]
        self.command += more

    def launch(self):
        self.controls.forget_synced()
        self._on_disk = {status.st_ino: status.st_size for _, status in self._files()}
        self.down = False
        return super().launch()

    def end(self):
        self.down = True
        self.kill()

    def _files(self):
        for folder, _, names in os.walk(self.data):
            for name in names:
                path = os.path.join(folder, name)
                yield path, os.stat(path)

    def lose_unsynced(self, chance):
        """After a kill: what a power failure would have left of its files."""
        synced = self.controls.synced()
        lost = 0
        for path, status in self._files():
            kept = synced.get(status.st_ino, self._on_disk.get(status.st_ino, status.st_size))
            if kept >= status.st_size:
                continue
            if chance.random() < 0.5:
                kept = chance.randint(kept, status.st_size)  # some of it had got there
            lost += status.st_size - kept
            os.truncate(path, kept)
        return lost

    def alter(self, key, value):
        """Gives a key another value on this member's disk alone; it must not run."""
        tool = os.path.join(os.path.dirname(PROGRAMS), "matricula_data_tool")
        subprocess.run([tool, self.data, "alter", key, value], check=True)

    def wipe(self):
        shutil.rmtree(self.data, ignore_errors=True)

    def call(self, service, method, request, timeout_s=CALL_TIMEOUT_S):
        """One call of the etcd API; raises grpc.RpcError."""
        stub = getattr(_etcd()[1], service + "Stub")(self._channel)
        return getattr(stub, method)(request, timeout=timeout_s)

    def status(self):
        """Its answer to Maintenance.Status, or None."""
        try:
            return self.call("Maintenance", "Status", _etcd()[0].StatusRequest(), timeout_s=1)
        except grpc.RpcError:
            return None

    def leads(self):
        status = self.status()
        return status is not None and status.leader == status.header.member_id


def kill_all():
    """All processes of the run."""
    for process in harness.Process._all:  # pylint: disable=protected-access
        process.kill()
    harness.Process._all.clear()


class Program(harness.Process):
    """A program that is told what to do on its standard input, a line at a time."""

    def __init__(self, name, command, directory):
        super().__init__(name, command, directory)

    def launch(self):
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                cwd=self.directory, env=self.environment, encoding="utf-8")
        return self

    def tell(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def hear(self):
        line = self._process.stdout.readline()
        if not line:
            raise Wrong("%s has ended\n%s" % (self.name, self.log_tail()))
        return line.rstrip("\n")

    def ask(self, line):
        self.tell(line)
        return self.hear()


class Network(Program):
    def __init__(self, members, directory, seed):
        command = [os.path.join(PROGRAMS, "matricula_chaos_network"), "--seed", str(seed)]
        for member in members:
            command += ["--member", "%d:%d:%s" % (member.number, member.proxy_port,
                                                  member.raft_listen.split(":")[1])]
        super().__init__("network", command, directory)

    def launch(self):
        super().launch()
        if self.hear() != "ok":
            raise Wrong("no network")
        return self

    def do(self, *words):
        answer = self.ask(" ".join(str(word) for word in words))
        if answer != "ok":
            raise Wrong("the network says '%s' to '%s'" % (answer, " ".join(map(str, words))))


class Traffic(Program):
    """Clients and watches of the etcd API; see traffic_main.cc."""

    def __init__(self, members, directory, seed, clients):
        command = [os.path.join(PROGRAMS, "matricula_chaos_traffic"), "--directory", directory,
                   "--seed", str(seed), "--clients", str(clients)]
        for member in members:
            command += ["--member", member.kv_listen]
        super().__init__("traffic", command, directory)

    def silence_ms(self):
        return int(self.ask("silence"))

    def end_round(self, members):
        """Judges; the figures of the round."""
        self.tell("end " + ",".join(str(member.number) for member in members))
        wrong = []
        while True:
            line = self.hear()
            if line.startswith("round "):
                break
            wrong.append(line)
        if wrong or not line.startswith("round ok"):
            raise Wrong("\n".join(wrong + [line]))
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", line)}


class Portals(threading.Thread):
    """Portals' clients that race for seats, race after race, each of them judged. They ask again
    with the same request id until they know."""

    def __init__(self, members, seed, directory, on_race):
        super().__init__(name="portals", daemon=True)
        self._on_race = on_race  # told the figures of each
        self._servers = ",".join(member.listen for member in members)
        self._chance = random.Random(seed)
        self._log = os.path.join(directory, "portals.log")
        self._ending = threading.Event()
        self.wrong = None

    def run(self):
        while not self._ending.is_set() and self.wrong is None:
            try:
                self._race()
            except Exception as error:  # pylint: disable=broad-except
                self.wrong = "races: %r" % error
            self._ending.wait(self._chance.uniform(0.1, 0.8))

    def _race(self):
        done = subprocess.run(
            [RACE, "--server", self._servers, "--seed", str(self._chance.randrange(1 << 32)),
             "--runs", "1", "--clients", "12", "--requests", "15", "--classes", "2",
             "--students", "48", "--seats", "12"], stdin=subprocess.DEVNULL, encoding="utf-8",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False)
        with open(self._log, "a", encoding="utf-8") as log:
            log.write(done.stdout)
        if done.returncode != 0:
            self.wrong = "enrollments: exit code %d\n%s" % (done.returncode, done.stdout)
            return
        requests, undecided = re.search(r"(\d+) requests:.*; (\d+) of", done.stdout).groups()
        self._on_race({"races": 1, "requests": int(requests), "undecided": int(undecided)})

    def end(self):
        self._ending.set()
        self.join()


class Cluster:
    """`size` members, a slot more for those that come and go, and the network between them."""

    def __init__(self, size, directory, seed, flags):
        self.chance = random.Random(seed)
        self.members = [Member(number, os.path.join(directory, "m%d" % number), flags)
                        for number in range(1, size + 2)]
        self.spare = self.members[-1]
        self.network = Network(self.members, directory, seed).launch()
        for member in self.members[:-1]:
            member.in_cluster = True
            member.set_peers(self.members[:-1])
        for member in self.members[:-1]:
            member.launch()
        self.await_mended()

    @property
    def present(self):
        return [member for member in self.members if member.in_cluster]

    def check_alive(self):
        """Nobody has ended who was not told to."""
        for member in self.members:
            if not member.down and not member.running():
                raise Wrong("%s has ended by itself, exit code %s\n%s" %
                            (member.name, member.wait(), member.log_tail()))

    def await_mended(self, timeout_s=MEND_TIMEOUT_S):
        """Everybody who belongs to the cluster serves."""
        deadline = time.monotonic() + timeout_s
        waiting = self.present
        while waiting:
            self.check_alive()
            waiting = [member for member in waiting if not member.is_serving()]
            if waiting and time.monotonic() > deadline:
                raise Wrong("with nothing wrong any more for %d s, these do not serve: %s\n%s" % (
                    timeout_s, ", ".join(member.name for member in waiting),
                    "\n".join(member.log_tail() for member in waiting)))
            time.sleep(0.05)

    def leader(self, timeout_s=MEND_TIMEOUT_S):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = next((m for m in self.present if not m.down and m.leads()), None)
            if found:
                return found
            time.sleep(0.05)
        raise Wrong("no leader for %d s" % timeout_s)

    def follower(self):
        leader = self.leader()
        return self.chance.choice([m for m in self.present if m is not leader])

    def anybody(self):
        return self.chance.choice(self.present)

    def change(self, method, request_name, **fields):
        """A change of the membership, asked of one member after another until it is done."""
        request = getattr(_etcd()[0], request_name)(**fields)
        deadline = time.monotonic() + MEND_TIMEOUT_S
        while True:
            through = self.chance.choice([m for m in self.present if not m.down])
            try:
                return through.call("Cluster", method, request, timeout_s=10)
            except grpc.RpcError as error:
                # Done, but the answer was lost.
                if method == "MemberRemove" and error.code() == grpc.StatusCode.NOT_FOUND:
                    return None
                if method == "MemberAdd" and self.find(request.peerURLs[0]):
                    return None
                if time.monotonic() > deadline:
                    raise Wrong("%s: %s" % (method, error)) from error
            time.sleep(0.2)

    def put(self, member, key, value):
        """Of a key that is not the traffic's; tried until it is done."""
        request = _etcd()[0].PutRequest(key=key.encode(), value=value.encode())
        deadline = time.monotonic() + MEND_TIMEOUT_S
        while True:
            try:
                return member.call("KV", "Put", request)
            except grpc.RpcError as error:
                if time.monotonic() > deadline:
                    raise Wrong("%s: Put: %s" % (member.name, error)) from error
            time.sleep(0.1)

    def corrupt_members(self, through):
        """The ids of those that the alarm CORRUPT names, as one member sees it."""
        types = _etcd()[0]
        try:
            answer = through.call("Maintenance", "Alarm", types.AlarmRequest(
                action=types.AlarmRequest.GET, alarm=types.CORRUPT))
        except grpc.RpcError:
            return None
        return {alarm.memberID for alarm in answer.alarms}

    def await_that(self, condition, what, timeout_s=MEND_TIMEOUT_S):
        deadline = time.monotonic() + timeout_s
        while not condition():
            self.check_alive()
            if time.monotonic() > deadline:
                raise Wrong("after %d s still not: %s" % (timeout_s, what))
            time.sleep(0.1)

    def check_alike(self):
        """No member is taken for one whose state is not that of the others."""
        found = next(filter(None, map(self.corrupt_members, self.present)), None)
        if found:
            raise Wrong("these are taken for corrupt: %s" % ", ".join(map("{:x}".format, found)))

    def find(self, url):
        """The member with that peer URL, as somebody sees it, or None."""
        for through in self.present:
            try:
                answer = through.call("Cluster", "MemberList", _etcd()[0].MemberListRequest())
            except grpc.RpcError:
                continue
            return next((m for m in answer.members if url in m.peerURLs), None)
        return None

    def add(self, member, learner):
        """Makes an empty slot a member; with `learner`, it waits to be promoted."""
        url = "http://127.0.0.1:%d" % member.proxy_port
        self.change("MemberAdd", "MemberAddRequest", peerURLs=[url], isLearner=learner)
        member.wipe()
        member.set_peers(self.present + [member], "--join")
        member.launch()

    def promote(self, member):
        """Waits until the cluster takes the learner for a voter."""
        url = "http://127.0.0.1:%d" % member.proxy_port
        deadline = time.monotonic() + MEND_TIMEOUT_S
        while time.monotonic() < deadline:
            self.check_alive()
            found = self.find(url)
            if found and not found.isLearner:
                member.in_cluster = True
                return
            if found:
                try:
                    self.chance.choice(self.present).call(
                        "Cluster", "MemberPromote", _etcd()[0].MemberPromoteRequest(ID=found.ID))
                except grpc.RpcError:
                    pass  # not ready yet
            time.sleep(0.2)
        raise Wrong("%s is not promoted\n%s" % (member.name, member.log_tail()))

    def remove(self, member):
        """Takes a member out of the cluster; if it runs, it has to end by itself."""
        found = self.find("http://127.0.0.1:%d" % member.proxy_port)
        if found is None:
            raise Wrong("%s is no member" % member.name)
        was_running = member.running()
        was_leader = member.leads()
        term = self.leader().status().raftTerm
        member.down = True
        member.in_cluster = False
        self.change("MemberRemove", "MemberRemoveRequest", ID=found.ID)
        if not was_running:
            return
        try:
            code = member.wait(REMOVED_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # A leader that takes over just then does not know of it.
            if was_leader or self.leader().status().raftTerm == term or member.is_serving():
                raise Wrong("%s was removed, and goes on\n%s" % (member.name, member.log_tail()))
            member.kill()
            return
        if code != 0:
            raise Wrong("%s was removed, and ended with exit code %d" % (member.name, code))

    def move_leader(self, leader, target_id):
        request = _etcd()[0].MoveLeaderRequest(targetID=target_id)
        try:
            leader.call("Maintenance", "MoveLeader", request)
        except grpc.RpcError as error:
            # It may have lost the lead by itself meanwhile.
            if error.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL):
                raise Wrong("MoveLeader: %s" % error) from error

    def check_seats(self):
        deadline = time.monotonic() + MEND_TIMEOUT_S
        done = self.anybody().ctl("check", timeout_s=120)
        while done.returncode == EXIT_UNAVAILABLE and time.monotonic() < deadline:
            done = self.anybody().ctl("check", timeout_s=120)
        if done.returncode != 0:
            raise Wrong("ctl check: %s%s" % (done.stdout, done.stderr))
