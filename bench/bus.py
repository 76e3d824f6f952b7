"""The modes `cache` and `bus` of run.py: admin servers over a store of replicas, with a broker."""

import contextlib
import json
import shutil
import statistics
import subprocess
import sys

import run


def broker(options, directory):
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        run.fail("there is no mosquitto here (Debian package mosquitto)")
    port = run.free_port()
    config = directory / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n"
                      "max_inflight_messages 1000\nmax_queued_messages 100000\n")
    return run.Server("mosquitto", [[program, "-c", config]], f"127.0.0.1:{port}", directory)


def replicas(options, directory, broker_url, count):
    """A store of `count` replicas; its endpoints are its `target`, comma-separated."""
    kv = [f"127.0.0.1:{run.free_port()}" for _ in range(count)]
    raft = [f"127.0.0.1:{run.free_port()}" for _ in range(count)]
    commands = []
    for i in range(count):
        command = [run.matriculad_binary(options), "--role", "kv-replica", "--data",
                   directory / f"data{i}", "--kv-listen", kv[i], "--mqtt", broker_url]
        if count > 1:
            command += ["--raft-listen", raft[i]]
            for j in range(count):
                command += ["--peer", raft[j]] if j != i else []
        commands.append(command + options.flag)
    server = run.Server(f"store of {count}", commands, kv[-1], directory)
    server.target = ",".join(kv)
    return server


def admin(options, directory, name, store, broker_url, *flags):
    listen = f"127.0.0.1:{run.free_port()}"
    command = [run.matriculad_binary(options), "--role", "admin", "--kv", store, "--listen", listen,
               "--mqtt", broker_url, *flags]
    return run.Server(name, [command + options.flag], listen, directory)


def run_cache(bench, options):
    """Linearizable reads of records through an admin server, its store elsewhere."""
    with contextlib.ExitStack() as stack:
        def serving(start, *arguments):
            return stack.enter_context(
                bench.serving(lambda directory: start(options, directory, *arguments)))
        url = "mqtt://" + serving(broker).target
        bare = serving(run.echo)
        admins = []
        for count in options.stores:
            store = serving(replicas, url, count).target
            admins.append(serving(admin, f"{count} cached", store, url))
            admins.append(serving(admin, f"{count} cache off", store, url, "--cache", "off"))
        for _ in run.rounds(options):
            for in_flight in options.in_flight or [64]:
                bench.measure(bare, "echo", in_flight)
                for server in admins:
                    bench.measure(server, "obtem-aluno", in_flight)
    bench.print_table(lambda key: ("echo", key[1], "echo"))


def measure_bus(options, target, broker_url, rate):
    command = [options.build / "bench/bus/matricula_bus", "--target", target, "--broker", broker_url,
               "--rate", str(rate), "--writers", "16" if rate == 0 else "4", "--duration",
               str(options.duration)]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode != 0:
        run.fail(f"matricula_bus: {found.stderr.strip()} {found.stdout.strip()}")
    return json.loads(found.stdout)


def run_bus(bench, options):
    """From the acknowledgement of a write to its event at a subscriber."""
    samples = {}
    with contextlib.ExitStack() as stack:
        def serving(start, *arguments):
            return stack.enter_context(
                bench.serving(lambda directory: start(options, directory, *arguments)))
        for count in options.stores:
            # A broker of its own for each store: their changes would mix on one.
            url = "mqtt://" + serving(broker).target
            target = serving(admin, "admin", serving(replicas, url, count).target, url).target
            for _ in run.rounds(options):
                for rate in (200, 0):
                    sample = measure_bus(options, target, url, rate)
                    samples.setdefault((count, rate), []).append(sample)
                    print(f"  {count} replicas, {sample['rate']} writes/s: event p50 "
                          f"{sample['event']['p50_us'] / 1000:.2f} ms", file=sys.stderr)
    print(f"{'replicas':>8} {'writes/s':>9} {'write p50 ms':>13} {'p99 ms':>8} {'event p50 ms':>13} "
          f"{'p99 ms':>8} {'before the answer':>18}")
    for (count, _), found in samples.items():
        def median(kind, field):
            return statistics.median(sample[kind][field] for sample in found) / 1000
        rate = statistics.median(sample["rate"] for sample in found)
        early = sum(s["before_answer"] for s in found) / sum(s["events"] for s in found)
        print(f"{count:>8} {rate:>9.0f} {median('write', 'p50_us'):>13.2f} "
              f"{median('write', 'p99_us'):>8.2f} {median('event', 'p50_us'):>13.2f} "
              f"{median('event', 'p99_us'):>8.2f} {early:>17.0%}")
    print(f"medians of {options.rounds} rounds of {options.duration:g} s; an event that a subscriber "
          "has before the writer has its answer counts as 0 ms")
