"""What the integration tests share: a matriculad on free ports and a disk of its own.

    class Test(harness.TestCase):
        def test_something(self):
            server = self.start_server()              # serving when it returns
            admin = harness.admin(server.channel())   # stub of project.PortalAdministrativo
            server.kill()                             # SIGKILL: what was acknowledged must survive
            server.start()                            # same data, same ports

The program comes from the environment: MATRICULAD is its path, MATRICULA_SOURCE the source folder
(default: two folders up from here). Run one file by hand with
`MATRICULAD=build/dev/src/matriculad /usr/bin/python3 test/integration/ctl_test.py`.

MATRICULA_STORE says what "a server" is: `inside` (default), one process that plays all roles;
`replica` or `etcd`, admin and portal processes over our kv-replica or a stock etcd (see apart.py).
"""

import atexit
import importlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import grpc

SOURCE = os.environ.get(
    "MATRICULA_SOURCE", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BINARY = os.environ.get("MATRICULAD", "")
STORE = os.environ.get("MATRICULA_STORE", "inside")
SAMPLE = os.path.join(SOURCE, "config", "sample")

# A sanitizer makes a program several times as slow and as large (freed memory stays for a while,
# too): what a test allows in seconds or in bytes is so many times as much then.
ROOM = 8 if os.environ.get("MATRICULA_SANITIZED") else 1

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 15
CALL_TIMEOUT_S = 30
LOG_TAIL_LINES = 60

# Below the kernel's ephemeral range, so that no outgoing connection of another test takes a port
# between our choosing it and the server's binding it.
_PORTS = range(12000, 30000)
_given_ports = set()


def free_port():
    """A TCP port of 127.0.0.1 that nobody listens on, given out once per test process."""
    chance = random.SystemRandom()
    for _ in range(1000):
        port = chance.choice(_PORTS)
        if port in _given_ports:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given_ports.add(port)
        return port
    raise RuntimeError("no free port found")


def accepts_connections(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def free_address():
    return "127.0.0.1:%d" % free_port()


def temporary_directory():
    """A new folder that disappears with the test process."""
    path = tempfile.mkdtemp(prefix="matricula-test.")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def wait_until(condition, timeout_s=START_TIMEOUT_S, what="the condition", pause_s=0.02):
    """Polls until condition() is true and returns its value; fails after timeout_s."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError("waited %g s in vain for %s" % (timeout_s, what))
        time.sleep(pause_s)


def clean_environment(**extra):
    """The environment without settings that would leak into the program under test."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MATRICULAD_")}
    kept.update(extra)
    return kept


class Process:
    """A daemon under test. Its output goes to a file; it dies with the test process at the latest."""

    _all = []

    def __init__(self, name, command, directory=None, environment=None):
        self.name = name
        self.command = command
        self.directory = directory or temporary_directory()
        self.environment = environment or clean_environment()
        self.log_path = os.path.join(self.directory, name + ".log")
        self._process = None
        Process._all.append(self)

    @property
    def pid(self):
        return self._process.pid

    def running(self):
        return self._process is not None and self._process.poll() is None

    def launch(self):
        """Starts the process without waiting for it to serve."""
        assert not self.running(), self.name + " runs already"
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.directory, env=self.environment)
        return self

    def is_serving(self):
        """Overridden by each kind of daemon."""
        return True

    def start(self, timeout_s=START_TIMEOUT_S):
        """Starts the process and waits until it serves."""
        return self.launch().wait_until_serving(timeout_s)

    def wait_until_serving(self, timeout_s=START_TIMEOUT_S):
        try:
            wait_until(lambda: not self.running() or self.is_serving(), timeout_s,
                       self.name + " to serve")
        except AssertionError as error:
            raise AssertionError("%s\n%s" % (error, self.log_tail())) from None
        if not self.running():
            raise AssertionError("%s ended with exit code %s at its start\n%s" %
                                 (self.name, self._process.returncode, self.log_tail()))
        return self

    def wait(self, timeout_s=STOP_TIMEOUT_S):
        """Waits for the process to end by itself; returns its exit code."""
        return self._process.wait(timeout_s)

    def stop(self, timeout_s=STOP_TIMEOUT_S):
        """SIGTERM; returns the exit code. Fails (and kills) if it takes longer than timeout_s."""
        self.terminate()
        return self.await_end(timeout_s)

    def terminate(self):
        """SIGTERM, without waiting for what comes of it."""
        self._process.send_signal(signal.SIGTERM)

    def await_end(self, timeout_s=STOP_TIMEOUT_S):
        """After terminate(): the exit code. Fails (and kills) if it takes too long."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("%s did not stop within %g s of SIGTERM\n%s" %
                                 (self.name, timeout_s, self.log_tail())) from None

    def kill(self):
        """SIGKILL: nothing is flushed, nothing is said."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self):
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def log(self):
        """Everything the process has written so far, over all its lives."""
        try:
            with open(self.log_path, "r", encoding="utf-8", errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def log_tail(self):
        lines = self.log().splitlines()[-LOG_TAIL_LINES:]
        return "\n".join(["--- end of %s's log" % self.name] + lines + ["---"])


@atexit.register
def _kill_all():
    for process in Process._all:
        if process.running():
            process.kill()


# A test that its runner ends with SIGTERM still takes its daemons along.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


class Matriculad(Process):
    """`matriculad` with the roles of `roles` (default: all in one) on free ports.

    `arguments` are further flags; `kv` is the address of a store elsewhere.
    """

    def __init__(self, arguments=(), roles=None, kv=None, name="matriculad", data=None):
        assert BINARY, "the environment variable MATRICULAD must name the program"
        directory = temporary_directory()
        command = [BINARY]
        if roles:
            command += ["--role", ",".join(roles)]
        self.listen = self.kv_listen = self.data = None
        if not roles or "admin" in roles or "portal" in roles:
            self.listen = free_address()
            command += ["--listen", self.listen]
        if not roles or "kv-replica" in roles:
            self.kv_listen = free_address()
            self.data = data or os.path.join(directory, "data")
            command += ["--kv-listen", self.kv_listen, "--data", self.data]
        if kv:
            command += ["--kv", kv]
        if "--mqtt" not in arguments:
            command += ["--mqtt", "off"]  # a broker of this machine is none of the test's business
        super().__init__(name, command + list(arguments), directory)

    def is_serving(self):
        return all(is_healthy(a) for a in (self.listen, self.kv_listen) if a)

    @property
    def portal_listen(self):
        """Where PortalMatricula is served; elsewhere than `listen` if the roles live apart."""
        return self.listen

    @property
    def processes(self):
        return [self]

    @property
    def addresses(self):
        return [address for address in (self.listen, self.kv_listen) if address]

    def channel(self, **options):
        """A gRPC channel of its own to the portals. The caller closes it."""
        return open_channel(self.listen, **options)

    def flags(self):
        """What `matriculad ctl` must be told to find everything."""
        found = []
        if self.listen:
            found += ["--server", self.listen]
        if self.kv_listen:
            found += ["--kv", self.kv_listen]
        return found

    def ctl(self, *arguments, **options):
        """Runs `matriculad ctl …` against this server; see ctl()."""
        return ctl(*self.flags(), *arguments, **options)


class Mosquitto(Process):
    """A real broker on a free port; its sessions survive a kill, all but their last second."""

    def __init__(self):
        self.port = free_port()
        directory = temporary_directory()
        self._database = os.path.join(directory, "mosquitto.db")
        config = os.path.join(directory, "mosquitto.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write("listener %d 127.0.0.1\nallow_anonymous true\nuser root\n"
                       "max_inflight_messages 1000\nmax_queued_messages 100000\n"
                       "persistence true\npersistence_location %s/\nautosave_interval 1\n"
                       % (self.port, directory))
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin")
        super().__init__("mosquitto", [program, "-c", config], directory)

    @property
    def url(self):
        return "mqtt://127.0.0.1:%d" % self.port

    def is_serving(self):
        return accepts_connections(self.port)

    def wipe(self):
        """Forgets all sessions; while it does not run."""
        if os.path.exists(self._database):
            os.remove(self._database)

    def publish(self, topic, payload):
        subprocess.run(["mosquitto_pub", "-p", str(self.port), "-t", topic, "-m", payload, "-q", "1"],
                       check=True, timeout=20)


class Etcd(Process):
    """One member of a stock etcd (Debian package etcd-server); `listen` is its client address."""

    def __init__(self, name="etcd", arguments=()):
        directory = temporary_directory()
        self.listen = free_address()
        client, peer = "http://" + self.listen, "http://" + free_address()
        super().__init__(name, [
            "etcd", "--data-dir", os.path.join(directory, "data"), "--listen-client-urls", client,
            "--advertise-client-urls", client, "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer,
            "--logger", "zap", *arguments], directory)

    def is_serving(self):
        return is_healthy(self.listen)

    def etcdctl(self, *arguments):
        """Runs etcdctl against this member; its standard output."""
        return etcdctl(self.listen, *arguments)


def etcdctl(address, *arguments):
    return subprocess.run(["etcdctl", "--endpoints", address, *arguments], check=True,
                          capture_output=True, encoding="utf-8", timeout=60,
                          env=clean_environment(ETCDCTL_API="3")).stdout


def ctl(*arguments, input=None, timeout_s=120, environment=None):
    """Runs `matriculad ctl …` to its end: a CompletedProcess with text in stdout and stderr."""
    return subprocess.run(
        [BINARY, "ctl", *arguments], input=input, capture_output=True, encoding="utf-8",
        timeout=timeout_s, env=environment or clean_environment(), check=False,
        **({} if input is not None else {"stdin": subprocess.DEVNULL}))


def open_channel(address, **options):
    # Own subchannels: a channel never inherits the back-off of another one to the same address.
    merged = {"grpc.use_local_subchannel_pool": 1, **options}
    return grpc.insecure_channel(address, options=list(merged.items()))


def is_healthy(address):
    """grpc.health.v1 for the server as a whole, spoken by hand to need no further package."""
    with open_channel(address) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            return check(b"", timeout=1) == b"\x08\x01"  # status: SERVING
        except grpc.RpcError:
            return False


_generated = None


def generated():
    """The modules (matricula_pb2, matricula_pb2_grpc), generated from proto/ once per process."""
    global _generated
    if _generated is None:
        out = temporary_directory()
        subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", "-I" + os.path.join(SOURCE, "proto"),
             "--python_out=" + out, "--grpc_python_out=" + out, "matricula.proto"], check=True)
        sys.path.insert(0, out)
        _generated = (importlib.import_module("matricula_pb2"),
                      importlib.import_module("matricula_pb2_grpc"))
    return _generated


def pb():
    """The message classes of package `project`."""
    return generated()[0]


def admin(channel):
    return generated()[1].PortalAdministrativoStub(channel)


def portal(channel):
    return generated()[1].PortalMatriculaStub(channel)


class TestCase(unittest.TestCase):
    """Shows the log of every process of a test that failed; ends the processes after each test."""

    def setUp(self):
        self._processes = []
        self.addCleanup(self._end_processes)

    def manage(self, process):
        self._processes.append(process)
        return process

    def start_server(self, *arguments, **options):
        """All roles over the store that MATRICULA_STORE names; with `roles`, one process of them."""
        if STORE == "inside" or "roles" in options:
            return self.manage(Matriculad(arguments, **options)).start()
        from apart import Apart  # pylint: disable=import-outside-toplevel
        return self.manage(Apart(STORE, arguments, **options)).start()

    def start_etcd(self, *arguments):
        return self.manage(Etcd(arguments=arguments)).start()

    def channel_to(self, server):
        channel = server.channel()
        self.addCleanup(channel.close)
        return channel

    def _end_processes(self):
        result = self._outcome.result
        failed = any(test is self for test, _ in result.failures + result.errors)
        for process in self._processes:
            if failed:
                print(process.log_tail(), file=sys.stderr)
            process.kill()

    def assert_ok(self, status):
        self.assertEqual((status.status, status.msg), (0, ""))

    def assert_refused(self, status, reason=None):
        """Refused, with a reason (that contains `reason`)."""
        self.assertEqual(status.status, 1)
        self.assertTrue(status.msg)
        if reason is not None:
            self.assertIn(reason, status.msg)


def main():
    unittest.main()
