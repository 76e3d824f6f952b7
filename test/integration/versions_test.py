"""Replicas whose protocols differ do not speak to each other, and say so."""

import unittest

import grpc

import harness

# Parcel{hello: Hello{version: …}} as bytes, so that the test does not change with the protocol.
PARCEL = {version: bytes([0x0a, 2, 0x08, version]) for version in (1, 2)}


class PeerVersion(harness.TestCase):
    def greet(self, address, version):
        with harness.open_channel(address) as channel:
            exchange = channel.stream_stream("/matricula.peer.Peer/Exchange")
            with self.assertRaises(grpc.RpcError) as caught:
                list(exchange(iter([PARCEL[version]]), timeout=harness.CALL_TIMEOUT_S))
        return caught.exception

    def test_another_version_is_turned_away_with_one_sentence(self):
        raft_listen = harness.free_address()
        server = self.start_server("--raft-listen", raft_listen, roles=["kv-replica"])
        said = self.greet(raft_listen, 2)
        self.assertEqual(said.code(), grpc.StatusCode.FAILED_PRECONDITION)
        self.assertEqual(said.details(), "version 2 of the protocol is not spoken here, 1 is")
        harness.wait_until(lambda: "peer.turned_away" in server.log(), what="the log")
        self.assertIn("version 2 of the protocol is not spoken here, 1 is", server.log())
        # Of the right version, what is wrong is something else.
        self.assertIn("another cluster", self.greet(raft_listen, 1).details())
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
