"""matriculad with its roles apart: one process for the store, others for the portals over it.

Stands in for harness.Matriculad where a test only wants "a server", so that the same test runs on
all stores. `harness.TestCase.start_server` picks it by the environment variable MATRICULA_STORE.
"""

import harness


class Apart:
    """A store (`replica`: ours, `etcd`: a stock one) with admin and portal servers over it.

    `listen` and `portal_listen` are the addresses of the first admin and the first portal.
    """

    def __init__(self, store, arguments=(), admins=1, portals=1):
        if store == "etcd":
            self.store = harness.Etcd()
            self.kv_listen = self.store.listen
            self.data = None
        else:
            self.store = harness.Matriculad(arguments, roles=["kv-replica"], name="replica")
            self.kv_listen = self.store.kv_listen
            self.data = self.store.data
        self.admins = [self._server("admin", i, arguments) for i in range(admins)]
        self.portals = [self._server("portal", i, arguments) for i in range(portals)]
        self.servers = self.admins + self.portals
        self.listen = self.admins[0].listen
        self.portal_listen = self.portals[0].listen

    def _server(self, role, number, arguments):
        return harness.Matriculad(arguments, roles=[role], kv=self.kv_listen,
                                  name=role + str(number))

    @property
    def processes(self):
        """Those of ours; a stock etcd is none of them."""
        return self.servers if self.data is None else [self.store, *self.servers]

    @property
    def addresses(self):
        """All that processes of ours listen on."""
        kv = [self.kv_listen] if self.data else []
        return [server.listen for server in self.servers] + kv

    def flags(self):
        """What `matriculad ctl` must be told to find everything."""
        return ["--server", self.listen, "--portal", self.portal_listen, "--kv", self.kv_listen]

    def ctl(self, *arguments, **options):
        return harness.ctl(*self.flags(), *arguments, **options)

    def channel(self, **options):
        return Channel(self.admins[0].channel(**options), self.portals[0].channel(**options))

    def running(self):
        return all(process.running() for process in [self.store, *self.servers])

    def start(self):
        """Starts all at once, as a machine that boots does, and waits until all serve."""
        for process in [self.store, *self.servers]:
            process.launch()
        for process in [self.store, *self.servers]:
            process.wait_until_serving()
        return self

    def stop(self, timeout_s=harness.STOP_TIMEOUT_S):
        """SIGTERM, the portals before their store; the worst exit code of a process of ours."""
        for server in self.servers:
            server.terminate()
        codes = [server.await_end(timeout_s) for server in self.servers]
        code = self.store.stop(timeout_s)
        return max(codes + [code] if self.data else codes, key=abs)

    def kill(self):
        for process in [self.store, *self.servers]:
            process.kill()

    def log(self):
        return "".join(process.log() for process in self.processes)

    def log_tail(self):
        return "\n".join(process.log_tail() for process in [self.store, *self.servers])


class Channel:
    """One channel to the portals of two servers: a call goes to the one that has its service."""

    def __init__(self, admin, portal):
        self._admin = admin
        self._portal = portal

    def _of(self, method):
        return self._portal if "PortalMatricula/" in method else self._admin

    def unary_unary(self, method, *arguments, **options):
        return self._of(method).unary_unary(method, *arguments, **options)

    def unary_stream(self, method, *arguments, **options):
        return self._of(method).unary_stream(method, *arguments, **options)

    def close(self):
        self._admin.close()
        self._portal.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
