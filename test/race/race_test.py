#!/usr/bin/env python3
"""Never one seat too many: 64 clients race for one class of 60 seats, and for 50 classes at once,
with enrollments, drops, edits of vagas, and removals of students and classes mixed in. Every answer
must be explained by one sequential order of the requests; see race.h.

usage: race_test.py [--races N] [--fifty N] [--seed S]     N races of each kind
"""
import argparse
import concurrent.futures
import random
import sys
import unittest

import racing
from racing import harness

options = argparse.Namespace()


# Races at the same time, each for classes of its own: the disk waits less.
TOGETHER = 4


class RaceTest(racing.TestCase):
    def race(self, runs, *arguments):
        server = self.start_server()
        each = (runs + TOGETHER - 1) // TOGETHER
        with concurrent.futures.ThreadPoolExecutor(TOGETHER) as pool:
            for done in [pool.submit(self.run_program, racing.RACE, "--server", server.listen,
                                     "--runs", str(each), "--seed", str(options.seed + i * each),
                                     *arguments) for i in range(TOGETHER)]:
                done.result()
        self.assert_consistent(server)
        self.assertEqual(server.stop(), 0)

    def test_one_class(self):
        self.race(options.races, "--classes", "1", "--requests", "8")

    def test_fifty_classes(self):
        self.race(options.fifty, "--classes", "50", "--requests", "40", "--seats", "12")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--races", type=int, default=200 // harness.ROOM)
    parser.add_argument("--fifty", type=int, default=12 // harness.ROOM)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options, rest = parser.parse_known_args()
    unittest.main(argv=sys.argv[:1] + rest)
