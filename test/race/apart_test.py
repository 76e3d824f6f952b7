#!/usr/bin/env python3
"""Four portals and two admin servers over one store sell every seat once: clients that spread over
all of them race for classes, and every answer must be explained by one sequential order of the
requests (see race.h). Then the same while servers, and the store itself, are killed (SIGKILL) and
started again: outcomes that nobody heard of count as unknown, and nothing else may be off.

MATRICULA_STORE: `replica` is our kv-replica over the wire, `etcd` a stock one.

usage: apart_test.py [--races N] [--kills N] [--clients N] [--seed S]
"""
import argparse
import collections
import random
import subprocess
import threading
import time
import unittest

import racing
from racing import harness

options = argparse.Namespace()


class ApartTest(racing.TestCase):
    def start_all(self):
        """A store, its servers, and a bus that keeps their caches: whatever may be wrong, is there."""
        broker = self.manage(harness.Mosquitto()).start()
        return self.start_server("--mqtt", broker.url, admins=2, portals=4)

    def racer(self, server, *arguments):
        addresses = [",".join(each.listen for each in of) for of in (server.admins, server.portals)]
        return [racing.RACE, "--server", addresses[0], "--portal", addresses[1],
                "--seed", str(options.seed), "--clients", str(options.clients), *arguments]

    def test_race(self):
        server = self.start_all()
        one, many = options.races - options.races // 4, options.races // 4
        self.run_program(*self.racer(server, "--runs", str(one), "--requests", "8"))
        self.run_program(*self.racer(server, "--runs", str(many), "--classes", "50",
                                     "--requests", "40", "--seats", "12"))
        self.assert_consistent(server)
        self.assertEqual(server.stop(), 0)

    def test_killed(self):
        chance = random.Random(options.seed)
        server = self.start_all()
        racer = subprocess.Popen(
            self.racer(server, "--until-eof", "--impatient", "0.5", "--requests", "20",
                       "--classes", "4", "--seats", "30"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        self.addCleanup(racer.kill)
        said = []
        listener = threading.Thread(target=lambda: said.append(racer.stdout.read()))
        listener.start()
        killed = collections.Counter()
        for number in range(options.kills):
            time.sleep(chance.uniform(0.05, 1))
            if racer.poll() is not None:
                break
            killed.update(self.kill_and_start(server, chance, number))
            if chance.random() < 0.2:
                self.assert_consistent(server)
        racer.stdin.close()
        listener.join()
        racer.stdout.close()
        print(said[0], "killed:", dict(killed), flush=True)
        self.assertEqual(racer.wait(), 0, said[0])
        self.assert_consistent(server)
        self.assertEqual(server.stop(), 0)

    def kill_and_start(self, server, chance, number):
        """Each third time the store, else a portal or two or an admin server; who it was."""
        if number % 3 == 2:
            victims = [server.store]
        else:
            victims = chance.choice([chance.sample(server.portals, chance.choice([1, 1, 2])),
                                     chance.sample(server.portals, 1),
                                     chance.sample(server.admins, 1)])
        for victim in victims:
            victim.kill()
        time.sleep(chance.choice([0, 0, chance.uniform(0, 0.5)]))
        for victim in victims:
            victim.start()
        return [victim.name.rstrip("0123456789") for victim in victims]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--races", type=int, default=6)
    parser.add_argument("--kills", type=int, default=3)
    # More at once are harder to judge where all is slow.
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options, rest = parser.parse_known_args()
    print("seed %d" % options.seed, flush=True)
    unittest.main(argv=["apart_test.py"] + rest)
