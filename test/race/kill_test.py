#!/usr/bin/env python3
"""Nothing lost: the server is killed (SIGKILL) at random moments while clients race, and started
again on the same data. Every acknowledged write must be there, none half-applied; some clients ask
again with the same request id and must learn the one true outcome, others leave it unknown.

usage: kill_test.py [--rounds N] [--seed S]     N kills
"""
import argparse
import random
import subprocess
import sys
import threading
import time
import unittest

import racing

options = argparse.Namespace()


class KillTest(racing.TestCase):
    def test_killed_under_load(self):
        print("seed %d, %d kills" % (options.seed, options.rounds), flush=True)
        chance = random.Random(options.seed)
        server = self.start_server()
        racer = subprocess.Popen(
            [racing.RACE, "--server", server.listen, "--seed", str(options.seed), "--until-eof",
             "--impatient", "0.5", "--requests", "30", "--classes", "4", "--seats", "30"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        self.addCleanup(racer.kill)
        said = []
        listener = threading.Thread(target=lambda: said.append(racer.stdout.read()))
        listener.start()
        slowest_s = 0
        for _ in range(options.rounds):
            time.sleep(chance.uniform(0.05, 1.2))
            if racer.poll() is not None:
                break
            server.kill()
            started = time.monotonic()
            server.start()
            slowest_s = max(slowest_s, time.monotonic() - started)
            # While the load goes on: each moment's state must be whole.
            if chance.random() < 0.3:
                self.assert_consistent(server)
        racer.stdin.close()
        listener.join()
        racer.stdout.close()
        print(said[0], "slowest start: %.2f s" % slowest_s, flush=True)
        self.assertEqual(racer.wait(), 0, said[0])
        self.assert_consistent(server)
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options, rest = parser.parse_known_args()
    unittest.main(argv=sys.argv[:1] + rest)
