"""A network that does its worst to MQTT: between clients and a broker it drops messages (and tells
the sender that they have arrived), repeats them, lets later ones overtake them, and cuts connections.

Only PUBLISH packets (type 3 of MQTT v5, §3.3) suffer; all else passes, so that both sides go on
believing in the connection. A process of its own: mqtt_proxy.py LISTEN_PORT BROKER_PORT SEED SHARE
where SHARE is the part of all messages that each of the three misfortunes meets. What it has done is
printed as a line of JSON every second.
"""

import asyncio
import collections
import json
import random
import struct
import sys

import harness

PUBLISH, PUBACK = 3, 4
LONGEST_DELAY_S = 0.1
CUT_EVERY_S = 2.0


class Ended(Exception):
    pass


async def read_packet(reader):
    """One control packet (§2.1): its type and all its bytes."""
    head = await reader.read(1)
    if not head:
        raise Ended
    length, shift = 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        head += bytes([byte])
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return head[0] >> 4, head, await reader.readexactly(length)


def message_id(head, body):
    """Of a PUBLISH; None at QoS 0."""
    if head[0] & 0x06 == 0:
        return None
    topic_length = struct.unpack(">H", body[:2])[0]
    return struct.unpack(">H", body[2 + topic_length:4 + topic_length])[0]


class Direction:
    """What flows one way on one connection."""

    def __init__(self, proxy, reader, writer):
        self.proxy = proxy
        self.reader = reader
        self.writer = writer
        self.back = None  # the other direction, once there is one
        self.second_acks = collections.Counter()  # to be swallowed, by message id

    async def run(self):
        try:
            while True:
                kind, head, body = await read_packet(self.reader)
                if kind == PUBLISH:
                    self.publish(head, body)
                elif kind == PUBACK and self.is_second_ack(struct.unpack(">H", body[:2])[0]):
                    pass
                else:
                    self.writer.write(head + body)
                await self.writer.drain()
        except (Ended, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.writer.close()

    def is_second_ack(self, mid):
        if self.second_acks[mid] == 0:
            return False
        self.second_acks[mid] -= 1
        return True

    def publish(self, head, body):
        fate = self.proxy.draw_fate()
        mid = message_id(head, body)
        if fate == "drop":
            if mid is not None:
                self.back.writer.write(struct.pack(">BBH", PUBACK << 4, 2, mid))
        elif fate == "repeat" and mid is not None:
            self.back.second_acks[mid] += 1
            self.writer.write(head + body)
            self.later(bytes([head[0] | 0x08]) + head[1:] + body)  # DUP (§3.3.1.1)
        elif fate == "delay":
            self.later(head + body)
        else:
            self.writer.write(head + body)

    def later(self, packet):
        def send():
            if not self.writer.is_closing():
                self.writer.write(packet)
        asyncio.get_running_loop().call_later(
            self.proxy.chance.uniform(0, LONGEST_DELAY_S), send)


class Proxy:
    def __init__(self, broker_port, seed, share):
        self.broker_port = broker_port
        self.chance = random.Random(seed)
        self.share = share
        self.done = collections.Counter()
        self.connections = set()

    def draw_fate(self):
        drawn = self.chance.random()
        fate = "pass"
        for number, name in enumerate(("drop", "repeat", "delay")):
            if number * self.share <= drawn < (number + 1) * self.share:
                fate = name
        self.done[fate] += 1
        return fate

    async def accept(self, reader, writer):
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self.broker_port)
        except OSError:
            writer.close()
            return
        up, down = Direction(self, reader, to_writer), Direction(self, to_reader, writer)
        up.back, down.back = down, up
        self.connections.add(writer)
        await asyncio.gather(up.run(), down.run())
        self.connections.discard(writer)

    async def misbehave(self):
        while True:
            await asyncio.sleep(self.chance.uniform(0, 2 * CUT_EVERY_S))
            if self.share > 0 and self.connections:
                self.done["cut"] += 1
                self.chance.choice(sorted(self.connections, key=id)).transport.abort()

    async def report(self):
        while True:
            await asyncio.sleep(1)
            print(json.dumps(self.done), flush=True)


class MqttProxy(harness.Process):
    """The proxy as a process of a test."""

    def __init__(self, broker, seed, share=0.05):
        self.port = harness.free_port()
        super().__init__("mqtt-proxy", [
            sys.executable, "-B", __file__, str(self.port), str(broker.port), str(seed), str(share)])

    @property
    def url(self):
        return "mqtt://127.0.0.1:%d" % self.port

    def is_serving(self):
        return harness.accepts_connections(self.port)

    def done(self):
        """How many messages met which fate so far."""
        lines = [line for line in self.log().splitlines() if line.startswith("{")]
        return json.loads(lines[-1]) if lines else {}


async def main():
    listen_port, broker_port, seed = (int(text) for text in sys.argv[1:4])
    proxy = Proxy(broker_port, seed, float(sys.argv[4]))
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", listen_port)
    async with server:
        await asyncio.gather(server.serve_forever(), proxy.misbehave(), proxy.report())


if __name__ == "__main__":
    asyncio.run(main())
