#!/usr/bin/env python3
"""Two portals over one store, whose clients want seats of one class of 2,000 without a pause: no
portal may starve, nor may the office, which changes the same class meanwhile (vagas, its teacher,
students' removals), keep anybody out or be kept out.

MATRICULA_STORE: `replica` is our kv-replica over the wire, `etcd` a stock one.

usage: fairness_test.py [--seconds S] [--rounds N] [--portals N]
"""
import argparse
import json
import sys
import unittest

import racing
from racing import harness

options = argparse.Namespace()

# The portal that got least has at least this part of what the luckiest one got.
LEAST_SHARE = 0.4
# Nobody waits longer, on a machine that does other things besides.
LONGEST_MS = 3000


class FairnessTest(racing.TestCase):
    def test_portals_share_a_class(self):
        server = self.start_server(admins=1, portals=options.portals)
        for _ in range(options.rounds):
            said = self.run_program(
                racing.RUSH, "--server", server.listen, "--seconds", str(options.seconds),
                "--portal", ",".join(portal.listen for portal in server.portals))
            self.judge(json.loads(said))
        self.assert_consistent(server)
        self.assertEqual(server.stop(), 0)

    def judge(self, result):
        got = [portal["ok"] for portal in result["portals"]]
        print("slower to faster: %.2f" % (min(got) / max(got)), flush=True)
        self.assertGreaterEqual(min(got), LEAST_SHARE * max(got), got)
        for who in [*result["portals"], *result["office"].values()]:
            self.assertEqual(who["unknown"], 0, result)
            self.assertLess(who["longest_ms"], LONGEST_MS * harness.ROOM, result)
            # A slow program is asked again.
            if harness.ROOM == 1:
                self.assertEqual(who["repeats"], 0, result)
        self.assertEqual(len(result["office"]), 6, result)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--portals", type=int, default=2)
    options, rest = parser.parse_known_args()
    unittest.main(argv=sys.argv[:1] + rest)
