"""Stock etcdctl against our replica and against a stock etcd at once.

    pair = EtcdctlPair(test)
    pair.run("put", "key", "value")      # on both; exit codes and outputs must be equal
    pair.ours.run("member", "list")      # on one of them

What cannot be equal is masked in the outputs: ids of clusters, members and leases, terms, addresses
and times. Leases are given names: `lease = pair.grant(60)` can stand in later commands.
"""

import os
import re
import signal
import socket
import subprocess
import threading

import harness

TIMEOUT_S = 60

# The same numbers in the three forms in which etcdctl prints them: JSON, fields, words.
_MASKS = [(re.compile(pattern), replacement) for pattern, replacement in (
    (r'"(cluster_id|member_id|raft_term|ID|leader|id)":\d+', r'"\1":#'),
    (r'"(ClusterID|MemberID|RaftTerm|ID|Leader)" : \d+', r'"\1" : #'),
    (r'"(ttl)":\d+', r'"\1":#'),
    (r'"(TTL)" : \d+', r'"\1" : #'),
    (r"remaining\(\d+s\)", "remaining(#s)"),
    (r"took = [\d.]+[µm]?s", "took = #"),
)]


class Lease:
    """A lease on both sides: the word for it in commands differs."""

    def __init__(self, number, ids):
        self.number = number
        self.ids = ids  # by side, in hexadecimal as etcdctl takes them


class Side:
    """One server, with the etcdctl that talks to it."""

    def __init__(self, name, server):
        self.name = name
        self.server = server
        self.address = server.listen if isinstance(server, harness.Etcd) else server.kv_listen
        self.leases = []

    def command(self, *arguments):
        words = [a.ids[self.name] if isinstance(a, Lease) else str(a) for a in arguments]
        # The time-outs are for machines on which much else runs.
        return ["etcdctl", "--endpoints", self.address, "--command-timeout", "50s",
                "--dial-timeout", "20s"] + words

    def run(self, *arguments, stdin="", binary=False):
        """Runs to the end: a CompletedProcess; bytes in stdout if `binary`."""
        result = subprocess.run(self.command(*arguments), input=stdin.encode(), check=False,
                                capture_output=True, timeout=TIMEOUT_S, env=environment())
        result.stderr = result.stderr.decode(errors="replace")
        if not binary:
            result.stdout = result.stdout.decode(errors="backslashreplace")
        return result

    def output(self, *arguments, stdin=""):
        """Runs what must go well."""
        result = self.run(*arguments, stdin=stdin)
        assert result.returncode == 0, "%s: etcdctl %s: %s%s" % (
            self.name, arguments, result.stdout, result.stderr)
        return result.stdout

    def start(self, *arguments, stdin=False):
        return Running(self, arguments, stdin)

    def mask(self, text):
        text = text.replace(self.address, "ADDRESS")
        for lease in self.leases:
            text = text.replace(lease.ids[self.name], "LEASE%d" % lease.number)
            text = text.replace(str(int(lease.ids[self.name], 16)), "LEASE%d" % lease.number)
        for pattern, replacement in _MASKS:
            text = pattern.sub(replacement, text)
        return text


def environment():
    return harness.clean_environment(ETCDCTL_API="3")


def error_line(stderr):
    """What etcdctl says at its end; before it stand lines of its own log."""
    lines = [line for line in stderr.splitlines() if not line.startswith('{"level"')]
    return "\n".join(lines)


class Running:
    """An etcdctl that goes on until it is stopped, and what it has printed so far."""

    def __init__(self, side, arguments, stdin):
        self.side = side
        self._lines = []
        self._process = subprocess.Popen(
            side.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL, env=environment())
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self._lines.append(line.decode(errors="backslashreplace").rstrip("\n"))

    def write(self, text):
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def lines(self):
        return [line for line in self._lines if not line.startswith('{"level"')]

    def running(self):
        return self._process.poll() is None

    def wait_for_lines(self, count, timeout_s=20):
        """The first lines, when there are `count`."""
        try:
            harness.wait_until(lambda: len(self.lines()) >= count, timeout_s, "lines")
        except AssertionError:
            raise AssertionError("%s: %d lines expected, these came: %s" %
                                 (self.side.name, count, self._lines)) from None
        return self.lines()

    def wait(self, timeout_s=TIMEOUT_S):
        """Waits for its own end: the exit code."""
        code = self._process.wait(timeout_s)
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        return code

    def stop(self, signal_number=signal.SIGTERM):
        """Ends it as Ctrl-C or kill would: the exit code."""
        if self.running():
            self._process.send_signal(signal_number)
        return self.wait()


class EtcdctlPair:
    """A replica of ours and a stock etcd, both empty at first."""

    def __init__(self, test, ours=(), stock=()):
        self._test = test
        self.ours = Side("ours", test.start_server(*ours, roles=["kv-replica"]))
        self.stock = Side("stock", test.start_etcd(*stock))
        self.sides = (self.ours, self.stock)
        self._leases = []

    def run(self, *arguments, stdin="", code=0):
        """Runs on both, which must end alike: the masked output."""
        seen = []
        for side in self.sides:
            result = side.run(*arguments, stdin=stdin)
            seen.append((result.returncode, side.mask(result.stdout),
                         side.mask(error_line(result.stderr))))
        context = "etcdctl " + " ".join(map(str, arguments))
        self._test.assertEqual(seen[0], seen[1], context)
        self._test.assertEqual(seen[0][0] != 0, code != 0, (context, seen[0]))
        return seen[0][1] + seen[0][2]

    def grant(self, ttl_s):
        """A lease on each side."""
        ids = {}
        for side in self.sides:
            words = side.output("lease", "grant", ttl_s).split()
            self._test.assertEqual(words[2:], ["granted", "with", "TTL(%ds)" % max(ttl_s, 2)])
            ids[side.name] = words[1]
        lease = Lease(len(self._leases), ids)
        self._leases.append(lease)
        for side in self.sides:
            side.leases.append(lease)
        return lease

    def start(self, *arguments, stdin=False):
        """Starts it on both: a RunningPair."""
        return RunningPair(self._test, [side.start(*arguments, stdin=stdin) for side in self.sides])


class RunningPair:
    """One etcdctl on each side."""

    def __init__(self, test, running):
        self._test = test
        self.each = running
        for one in running:
            test.addCleanup(one.stop)

    def write(self, text):
        for one in self.each:
            one.write(text)

    def lines(self, count):
        """The first lines of both, which must be equal once there are `count`."""
        seen = [[one.side.mask(line) for line in one.wait_for_lines(count)] for one in self.each]
        self._test.assertEqual(seen[0], seen[1])
        return seen[0]

    def stop(self):
        codes = [one.stop() for one in self.each]
        self._test.assertEqual(codes[0], codes[1])


class CountingProxy:
    """Passes connections on to a server, and counts them: who reconnects is found out."""

    def __init__(self, target):
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(self._target)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pass_on(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self._listener.close()


def file_size(path):
    return os.stat(path).st_size
