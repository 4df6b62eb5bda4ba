"""Records sized to the flow: what begins a burst can be read segment by segment, what follows comes in large ones."""

import ssl
import time

import pytest

from harness import servers, tls

SEGMENT = 1400  # of payload, whatever its way adds
WHOLE = 16384
BURST = 60_000
HEAD = 5


class Sender(servers.Server):
    """Sends as many bytes as it is told to, all at once."""

    def handle(self, peer):
        while line := peer.recv_until(b"\n"):
            peer.send(b"m" * int(line))


class Counting(tls.TlsPeer):
    """Keeps what came, record by record."""

    raw = b""

    def _feed(self):
        data = self.peer.recv_some()
        self.raw += data
        self.incoming.write(data)

    def ask(self, count):
        """The lengths of the records that the answer came in."""
        self.raw = b""
        self.send(b"%d\n" % count)
        assert self.recv(count) == b"m" * count
        lengths, at = [], 0
        while at < len(self.raw):
            lengths.append(HEAD + int.from_bytes(self.raw[at + 3:at + HEAD], "big"))
            at += lengths[-1]
        assert at == len(self.raw)
        return lengths


@pytest.fixture(params=["TLSv1_2", "TLSv1_3"])
def client(request, start):
    gate = start(pools={"app": Sender()}, top={"workers": 1})
    context = tls.client_context(version=ssl.TLSVersion[request.param])
    client = Counting(gate.connect(), context, name="gateway.example.com")
    assert len(client.ask(1)) <= 2  # and a ticket
    return client


def test_a_burst_begins_with_records_that_fit_a_segment(client):
    lengths = client.ask(BURST)
    assert max(lengths[:10]) <= SEGMENT, lengths
    assert max(lengths) > 2 * SEGMENT, lengths


def test_the_first_segment_can_be_read_before_the_others_come(client):
    client.ask(BURST)
    segment = client.raw[:1448]
    assert segment[:1] == b"\x17" and HEAD + int.from_bytes(segment[3:HEAD], "big") <= len(segment)


def test_what_goes_on_goes_in_large_records(client):
    count = 3_000_000
    assert len(client.ask(count)) < 2.5 * count / WHOLE


def test_a_burst_after_a_pause_begins_small_again(client):
    client.ask(BURST)
    time.sleep(1.2)  # the pause is what is tested
    assert max(client.ask(BURST)[:10]) <= SEGMENT
