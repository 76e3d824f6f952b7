"""The loss of a leader is survived quickly: the short form of cluster_failover.py.

The bounds here are wider than what is aimed at (1.5 s after a kill, 0.1 s after a clean stop),
because the machine of a test does other things as well.
"""

import cluster_failover
import harness


class FailoverTest(cluster_failover.Failover):
    runTest = None

    def test_kill_and_clean_stop(self):
        members = self.start_three()
        kills = self.rounds(members, 3, cluster_failover.kill)
        self.assertLess(max(silence for silence, _ in kills), 4 * harness.ROOM, kills)
        stops = self.rounds(members, 3, cluster_failover.stop)
        self.assertLess(max(silence for silence, _ in stops), 0.6 * harness.ROOM, stops)
        self.assert_equal_hashes(members)


if __name__ == "__main__":
    harness.main()
