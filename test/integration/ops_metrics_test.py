"""What an operator's machines see of real processes: /metrics, /livez, /readyz."""

import re
import subprocess
import unittest
import urllib.error
import urllib.request

import cluster
import harness


def get(address, path):
    """(status, body) of a GET; (0, "") if nobody listens."""
    try:
        with urllib.request.urlopen("http://%s%s" % (address, path), timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except urllib.error.URLError:
        return 0, ""


def scrape(address):
    """All samples as {'name{labels}': value}."""
    status, text = get(address, "/metrics")
    assert status == 200, text
    samples = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            samples[name] = float(value)
    return samples


def total(samples, name, **labels):
    """The sum over all samples of a name that have these labels."""
    found = [value for sample, value in samples.items()
             if re.split("[{ ]", sample)[0] == name
             and all('%s="%s"' % pair in sample for pair in labels.items())]
    assert found, "no sample of %s %s" % (name, labels)
    return sum(found)


class OpsMetricsTest(harness.TestCase):
    def start(self, *arguments, **options):
        metrics = harness.free_address()
        server = self.start_server("--metrics-listen", metrics, *arguments, roles=None, **options)
        return server, metrics

    def test_values_move_as_they_should(self):
        server, metrics = self.start()
        pb = harness.pb()
        before = scrape(metrics)
        channel = self.channel_to(server)
        admin, portal = harness.admin(channel), harness.portal(channel)
        admin.NovaDisciplina(pb.Disciplina(sigla="GSI010", nome="prolog", vagas=2))
        for matricula in ("11921BSI209", "11921BSI210", "11921BSI211"):
            admin.NovoAluno(pb.Aluno(matricula=matricula, nome="maycon"))
            portal.AdicionaAluno(pb.DisciplinaPessoa(disciplina="GSI010", idPessoa=matricula))
        portal.AdicionaAluno(pb.DisciplinaPessoa(disciplina="GSI010", idPessoa="11921BSI209"))
        portal.RemoveAluno(pb.DisciplinaPessoa(disciplina="GSI010", idPessoa="11921BSI209"))
        portal.AdicionaAluno(pb.DisciplinaPessoa(disciplina="nada", idPessoa="11921BSI209"))
        add = {"grpc_service": "project.PortalMatricula", "grpc_method": "AdicionaAluno"}
        # A call has been handled when its answer is on its way, which its client may have by then.
        harness.wait_until(lambda: total(scrape(metrics), "grpc_server_handled_total",
                                         grpc_code="OK", **add) == 5, what="five calls")
        now = scrape(metrics)
        self.assertEqual(total(now, "grpc_server_started_total", **add), 5)
        self.assertEqual(total(now, "grpc_server_handling_seconds_count", **add), 5)
        self.assertEqual(total(now, "matricula_enrollments_total"), 2)
        self.assertEqual(total(now, "matricula_drops_total"), 1)
        self.assertEqual(total(now, "matricula_refusals_total", reason="no_seats"), 1)
        self.assertEqual(total(now, "matricula_refusals_total", reason="already_enrolled"), 1)
        self.assertEqual(total(now, "matricula_refusals_total", reason="no_class"), 1)
        self.assertGreaterEqual(total(now, "matricula_enrollment_batch_size_count"), 5)
        for name in ("etcd_disk_wal_fsync_duration_seconds_count", "matricula_apply_seconds_count",
                     "etcd_server_proposals_committed_total", "matricula_store_revision",
                     "etcd_server_proposals_applied_total"):
            self.assertGreaterEqual(total(now, name), total(before, name) + 7, name)
        self.assertEqual(total(now, "etcd_server_has_leader"), 1)
        self.assertEqual(total(now, "etcd_server_proposals_pending"), 0)
        self.assertEqual(total(now, "etcd_server_quota_backend_bytes"), 2 << 30)
        self.assertGreater(total(now, "process_resident_memory_bytes"), 1 << 20)
        self.assertGreater(total(now, "process_open_fds"), 5)
        self.assertGreater(total(now, "process_start_time_seconds"), 1.7e9)

    def test_promtool_finds_nothing_wrong(self):
        broker = self.manage(harness.Mosquitto()).start()
        server, metrics = self.start("--mqtt", broker.url)
        connected = 'matricula_mqtt_connected{part="relay"}'
        harness.wait_until(lambda: scrape(metrics).get(connected) == 1, what="the broker")
        list(harness.admin(self.channel_to(server)).ObtemTodosAlunos(harness.pb().Vazia()))
        _, text = get(metrics, "/metrics")
        check = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                               encoding="utf-8", timeout=60, check=False)
        self.assertEqual((check.returncode, check.stdout + check.stderr), (0, ""))

    def test_what_alerts_and_dashboard_ask_for_is_there(self):
        broker = self.manage(harness.Mosquitto()).start()
        addresses = [harness.free_address() for _ in range(2)]
        peers = [flag for address in addresses for flag in ("--peer", address)]
        ports = [harness.free_address() for _ in range(3)]
        members = [self.manage(cluster.Member(address, [
            "--metrics-listen", port, "--mqtt", broker.url, *peers])).launch()
                   for address, port in zip(addresses, ports)]
        for member in members:
            member.wait_until_serving()
        portals = self.start_server("--metrics-listen", ports[2], "--mqtt", broker.url,
                                    roles=["admin", "portal"], kv=members[0].kv_listen)
        harness.admin(self.channel_to(portals)).ObtemAluno(harness.pb().Identificador(id="nada"))
        known = {re.split("[{ ]", sample)[0] for port in ports for sample in scrape(port)}
        for file in ("prometheus/alerts.yml", "grafana/matriculad.json"):
            with open("%s/config/%s" % (harness.SOURCE, file), encoding="utf-8") as text:
                asked = set(re.findall(r"\b(?:matricula|etcd|grpc|process)_[a-z_]+", text.read()))
            labels = {"grpc_service", "grpc_method", "grpc_code", "grpc_type"}
            self.assertGreater(len(asked - labels), 8)
            self.assertEqual(asked - labels - known, set(), file)

    def test_three_replicas_tell_who_leads_and_who_lags(self):
        addresses = [harness.free_address() for _ in range(3)]
        peers = [flag for address in addresses for flag in ("--peer", address)]
        ports = [harness.free_address() for _ in addresses]
        members = [self.manage(cluster.Member(address, ["--metrics-listen", port,
                                                           "--slow-request-ms", "1", *peers]))
                   for address, port in zip(addresses, ports)]
        members[0].launch()
        harness.wait_until(lambda: get(ports[0], "/readyz") == (503, "kv: waiting for a majority of the replicas\n"),
                           what="an honest answer")
        for member in members[1:]:
            member.launch()
        for member, port in zip(members, ports):
            member.wait_until_serving()
            harness.wait_until(lambda port=port: get(port, "/readyz")[0] == 200, what="readiness")
        for number in range(20):
            harness.etcdctl(members[1].kv_listen, "put", "key", str(number))
        seen = [scrape(port) for port in ports]
        leaders = [i for i in range(3) if total(seen[i], "etcd_server_is_leader") == 1]
        self.assertEqual(len(leaders), 1)
        leader = leaders[0]
        others = [i for i in range(3) if i != leader]
        self.assertEqual(len([s for s in seen[leader] if "peer_lag_entries" in s]), 2)
        self.assertEqual(len({total(s, "matricula_raft_term") for s in seen}), 1)
        for samples in seen:
            self.assertGreaterEqual(total(samples, "etcd_server_leader_changes_seen_total"), 1)
            self.assertGreater(total(samples, "etcd_network_peer_sent_bytes_total"), 0)
            self.assertGreater(total(samples, "etcd_network_peer_received_bytes_total"), 0)
            self.assertGreaterEqual(total(samples, "etcd_disk_wal_fsync_duration_seconds_count"), 20)
            self.assertGreaterEqual(total(samples, "etcd_server_proposals_applied_total"), 20)

        slow = [{key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", line)}
                for member in members for line in member.log().splitlines()
                if " store.slow_request kind=put " in line]
        self.assertGreater(len(slow), 0)
        for times in slow:  # rounded down, each
            parts = sum(times[part] for part in ("queue_ms", "raft_ms", "sync_ms", "apply_ms"))
            self.assertIn(parts, range(times["ms"] - 4, times["ms"] + 1), times)

        members[others[0]].kill()
        for number in range(20):
            harness.etcdctl(members[leader].kv_listen, "put", "key", str(number))
        samples = scrape(ports[leader])
        lags = sorted(v for s, v in samples.items() if "peer_lag_entries" in s)
        self.assertGreaterEqual(lags[1], 20)
        self.assertEqual(lags[0], 0)

        members[leader].kill()
        harness.wait_until(lambda: get(ports[others[1]], "/readyz")[0] == 503, what="the loss")
        samples = scrape(ports[others[1]])
        self.assertEqual(total(samples, "etcd_server_has_leader"), 0)
        self.assertEqual(get(ports[others[1]], "/livez")[0], 200)

    def test_a_cache_counts_its_reads_and_its_questions(self):
        broker = self.manage(harness.Mosquitto()).start()
        store = self.start_server("--mqtt", broker.url, roles=["kv-replica"])
        metrics = harness.free_address()
        server = self.start_server("--metrics-listen", metrics, "--mqtt", broker.url,
                                   roles=["admin"], kv=store.kv_listen)
        pb, admin = harness.pb(), harness.admin(self.channel_to(server))
        admin.NovoAluno(pb.Aluno(matricula="11921BSI209", nome="maycon"))
        before = scrape(metrics)

        def read():
            self.assertEqual(admin.ObtemAluno(pb.Identificador(id="11921BSI209")).nome, "maycon")
            return total(scrape(metrics), "matricula_cache_reads_total", result="hit")
        harness.wait_until(lambda: read() >= 5, what="answers from memory")
        now = scrape(metrics)
        # Who reads alone shares a question with nobody.
        self.assertEqual(total(now, "matricula_cache_questions_total")
                         - total(before, "matricula_cache_questions_total"),
                         total(now, "matricula_cache_reads_total")
                         - total(before, "matricula_cache_reads_total"))
        self.assertEqual(total(now, "matricula_cache_keys"), 1)
        self.assertEqual(total(now, "matricula_cache_gaps_total"), 0)

    def test_a_portal_without_its_store_says_so(self):
        store = self.start_server(roles=["kv-replica"])
        metrics = harness.free_address()
        portal = self.start_server("--metrics-listen", metrics, roles=["portal"],
                                   kv=store.kv_listen)
        self.assertEqual(get(metrics, "/readyz"), (200, "store: ok\n"))
        store.kill()
        harness.wait_until(lambda: not portal.is_serving(), what="the loss")
        self.assertEqual(get(metrics, "/readyz"), (503, "store: the store does not answer\n"))
        self.assertEqual(get(metrics, "/livez")[0], 200)
        store.start()
        harness.wait_until(portal.is_serving, what="the store's return")

    def test_who_is_told_to_stop_says_so_before_it_closes(self):
        server, metrics = self.start("--drain-ms", "2000")
        admin = harness.admin(self.channel_to(server))
        server.terminate()
        harness.wait_until(lambda: not harness.is_healthy(server.listen), what="NOT_SERVING")
        self.assertFalse(harness.is_healthy(server.kv_listen))
        self.assertEqual(get(metrics, "/readyz")[0], 503)
        self.assertIn("stopping\n", get(metrics, "/readyz")[1])
        self.assertEqual(get(metrics, "/livez")[0], 200)
        # Who has not heard of it yet is served.
        answer = admin.NovoAluno(harness.pb().Aluno(matricula="11921BSI209", nome="maycon"))
        self.assertEqual(answer.status, 0)
        self.assertEqual(server.await_end(), 0)

    def test_only_what_is_there_is_served(self):
        _, metrics = self.start()
        self.assertEqual(get(metrics, "/livez"), (200, "ok\n"))
        self.assertEqual(get(metrics, "/readyz")[0], 200)
        for path in ("/", "/../../etc/passwd", "/etc/passwd", "/metrics/x"):
            self.assertEqual(get(metrics, path)[0], 404, path)
        request = urllib.request.Request("http://%s/metrics" % metrics, data=b"x", method="POST")
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=5)
        self.assertEqual(refused.exception.code, 405)

    def test_an_address_that_is_taken_is_said(self):
        _, metrics = self.start()
        second = self.manage(harness.Matriculad(["--metrics-listen", metrics])).launch()
        self.assertEqual(second.wait(), 69)
        self.assertIn("cannot listen on " + metrics, second.log())


if __name__ == "__main__":
    unittest.main()
