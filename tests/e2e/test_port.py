"""One port: the first bytes decide what a connection is, on the first byte that can."""

import socket
import ssl
import time

import pytest

from harness import net, servers, tls
from harness.wait import Stopwatch

# With an inspect delay of five seconds, "at once" is far below it.
AT_ONCE = 2.0


def test_tls12_tls13_and_plain_clients_share_one_pool(start):
    server = servers.EchoServer()
    gate = start(pools={"app": server})
    for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        client = tls.TlsPeer(gate.connect(), tls.client_context(version=version), name="gateway.example.com")
        client.echo(b"through TLS")
        client.close()
        line = gate.session(client)
        assert (line["tls"], line["tls_version"], line["protocol"]) == ("terminate", name, "tls")
        assert (line["pool"], line["server"], line["rule"]) == ("app", server.address, "rules[0]")
        assert line["sni"] == "gateway.example.com"
    client = gate.connect()
    client.echo(b"in the clear")
    client.close()
    line = gate.session(client)
    assert (line["pool"], line["server"], line["rule"]) == ("app", server.address, "rules[1]")
    assert "tls" not in line and "tls_version" not in line and "sni" not in line
    assert server.count == 3


@pytest.mark.parametrize("byte", [0x00, 0x0A, 0x15, 0x17, 0x38, 0x41, 0x80, 0xFF])
def test_one_byte_that_is_not_16_is_forwarded_at_once(start, byte):
    server = servers.Listener()
    gate = start(pools={"app": server})
    watch = Stopwatch()
    client = gate.connect().send(bytes([byte]))
    peer = server.accept()
    assert peer.recv(1) == bytes([byte])
    assert watch.elapsed() < AT_ONCE
    client.close()
    peer.expect_eof()
    peer.close()
    assert gate.ended(client, "client_closed")["inspect_ms"] < 1000 * AT_ONCE


BREAKS = [b"\x16A", b"\x16\x03A", b"\x16\x03\x05", b"\x16\x02", b"\x16\x03\x01\x00\x00", b"\x16\x03\x01\x40\x01",
          b"\x16\x03\x03\xff", b"\x16\x03\x01\x00\x05\x02", b"\x16\x03\x04\x01\x00\x00"]


@pytest.mark.parametrize("data", BREAKS, ids=lambda data: data.hex())
@pytest.mark.parametrize("drip", [False, True], ids=["one segment", "byte by byte"])
def test_the_byte_that_breaks_the_tls_pattern_makes_it_plain_at_once(start, data, drip):
    server = servers.Listener()
    gate = start(pools={"app": server})
    watch = Stopwatch()
    client = gate.connect()
    (client.drip if drip else client.send)(data)
    assert server.accept().recv(len(data)) == data
    assert watch.elapsed() < AT_ONCE


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_a_message_of_one_to_four_bytes_gets_its_answer_at_once(start, length):
    gate = start(pools={"app": servers.EchoServer()})
    watch = Stopwatch()
    gate.connect().echo(b"abcd"[:length])
    assert watch.elapsed() < AT_ONCE


@pytest.mark.parametrize("data", [b"A", b"ab", b"ping", b"\x16", b"\x16\x03", b"\x16\x03\x01\x02\x00"],
                         ids=lambda data: data.hex())
def test_a_short_payload_followed_by_fin_is_forwarded_and_answered(start, data):
    server = servers.Listener()
    gate = start(pools={"app": server})
    watch = Stopwatch()
    client = gate.connect().send(data).finish()
    peer = server.accept()
    assert peer.recv_all() == data
    assert watch.elapsed() < AT_ONCE
    peer.send(b"an answer").close()
    assert client.recv_all() == b"an answer"
    line = gate.ended(client, "client_closed", bytes_in=len(data), bytes_out=9)
    assert line["protocol"] != "tls"


@pytest.mark.parametrize("data", [b"\x16", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00"], ids=lambda data: data.hex())
def test_fewer_than_six_fitting_bytes_are_plain_when_the_delay_is_over(start, data):
    server = servers.Listener()
    gate = start(pools={"app": server}, inspect_delay="400ms")
    watch = Stopwatch()
    client = gate.connect().send(data)
    peer = server.accept()
    assert watch.elapsed() >= 0.35
    assert peer.recv(len(data)) == data
    client.send(b"more")
    assert peer.recv(4) == b"more"


def test_a_hello_in_one_byte_segments_is_terminated(start):
    gate = start(pools={"app": servers.EchoServer()})
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com",
                         cut=lambda flight: [flight[i:i + 1] for i in range(len(flight))])
    client.echo(b"whole")
    client.close()
    assert gate.session(client)["sni"] == "gateway.example.com"


@pytest.mark.parametrize("size", [1, 2, 4, 37, 100])
def test_a_hello_in_many_records_keeps_its_name_and_its_rule(start, size):
    named, other = servers.EchoServer(), servers.EchoServer()
    gate = start([{"match": {"sni": "gateway.example.com"}, "tls": "terminate", "pool": "named"},
                  {"tls": "terminate", "pool": "other"}], {"named": named, "other": other})
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com",
                         cut=lambda flight: [tls.split_records(flight, size)])
    client.echo(b"by its name")
    assert (named.count, other.count) == (1, 0)
    client.close()
    line = gate.session(client)
    assert (line["rule"], line["sni"]) == ("rules[0]", "gateway.example.com")


def test_a_hello_in_one_byte_records_sent_byte_by_byte_is_routed_by_its_name(start):
    named = servers.Listener()
    gate = start([{"match": {"sni": "named.example.com"}, "tls": "passthrough", "pool": "named"}], {"named": named})
    data = tls.hello("named.example.com", record_size=1)
    gate.connect().drip(data, size=1, pause=0)
    assert named.accept().recv(len(data)) == data


def test_a_hello_longer_than_a_record_is_terminated(start):
    gate = start(pools={"app": servers.EchoServer()})
    context = tls.client_context(alpn=[f"{number:0>200}" for number in range(100)])
    sizes = []

    def look(flight):
        sizes.append(len(flight))
        return [flight]
    client = tls.TlsPeer(gate.connect(), context, name="gateway.example.com", cut=look)
    client.echo(b"long")
    assert sizes[0] > 16384


def test_an_incomplete_hello_at_the_end_of_the_delay_is_inspect_timeout(start):
    server = servers.Listener()
    gate = start([{"tls": "passthrough", "pool": "app"}, {"pool": "app"}], {"app": server}, inspect_delay="300ms")
    client = gate.connect().send(tls.hello("gateway.example.com")[:40])
    client.expect_closed()
    assert gate.ended(client, "inspect_timeout")["duration_ms"] >= 250
    server.expect_nobody()


def test_an_incomplete_hello_that_drips_does_not_prolong_the_delay(start):
    gate = start(pools={"app": servers.Listener()}, inspect_delay="500ms")
    client = gate.connect()
    watch = Stopwatch()
    try:
        for byte in tls.hello("gateway.example.com", padding=400):
            client.send(bytes([byte]))
            time.sleep(0.02)
            if watch.elapsed() > 5:
                break
    except OSError:
        pass
    assert watch.elapsed() < 4
    gate.ended(client, "inspect_timeout")


def test_an_incomplete_hello_at_fin_is_client_closed_and_reaches_no_server(start):
    server = servers.Listener()
    gate = start([{"tls": "passthrough", "pool": "app"}, {"pool": "app"}], {"app": server})
    client = gate.connect().send(tls.hello("gateway.example.com")[:-1]).finish()
    client.expect_closed()
    gate.ended(client, "client_closed")
    server.expect_nobody()


def _spoiled(at, value):
    data = bytearray(tls.hello("gateway.example.com"))
    data[at] = value
    return bytes(data)


MALFORMED = {
    "session id of 255 bytes": _spoiled(43, 255),
    "another record type in the middle": tls.hello("gateway.example.com", record_size=60)[:65] + b"\x17\x03\x03\x00\x05hello",
    "an empty cipher list": tls.record(b"\x01\x00\x00\x29\x03\x03" + bytes(32) + b"\x00\x00\x00\x01\x00\x00\x00"),
    "shorter than its own fields": tls.record(b"\x01\x00\x00\x02\x03\x03"),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_hello_gets_an_alert_and_reaches_no_server(start, data):
    server = servers.Listener()
    gate = start([{"tls": "passthrough", "pool": "app"}, {"pool": "app"}], {"app": server})
    client = gate.connect().send(data)
    watch = Stopwatch()
    assert tls.read_alert(client) in (10, 22, 47, 50)
    assert watch.elapsed() < AT_ONCE
    client.expect_closed()
    line = gate.ended(client, "handshake_failed")
    assert "rule" not in line and line["detail"]
    server.expect_nobody()


def test_a_hello_over_max_bytes_gets_an_alert(start):
    server = servers.Listener()
    gate = start([{"tls": "passthrough", "pool": "app"}], {"app": server}, inspect_limits={"max_bytes": "1k"})
    fits = tls.hello("gateway.example.com", padding=500)
    gate.connect().send(fits)
    assert server.accept().recv(len(fits)) == fits
    client = gate.connect().send(tls.hello("gateway.example.com", padding=4000))
    tls.read_alert(client)
    client.close()
    gate.ended(client, "handshake_failed")
    server.expect_nobody()


def test_a_connection_without_a_byte_is_client_closed_and_reaches_no_server(start):
    server = servers.Listener()
    gate = start(pools={"app": server})
    client = gate.connect()
    client.finish()
    client.expect_closed()
    line = gate.ended(client, "client_closed", bytes_in=0, bytes_out=0)
    assert "server" not in line
    server.expect_nobody()


def test_an_ssl2_form_hello_is_plain(start):
    server = servers.Listener()
    gate = start(pools={"app": server})
    data = bytes.fromhex("802e010301001500000010") + bytes(35)
    gate.connect().send(data)
    assert server.accept(2).recv(len(data)) == data


def test_a_silent_client_reaches_a_server_that_speaks_first(start):
    gate = start(pools={"app": servers.BannerServer(b"220 ready\r\n")}, inspect_delay="400ms")
    watch = Stopwatch()
    client = gate.connect()
    assert client.recv(11) == b"220 ready\r\n"
    assert 0.35 <= watch.elapsed() < 2.5
    client.echo(b"HELO me\r\n")
    client.close()
    line = gate.ended(client, "client_closed", protocol="silent", rule="rules[1]")
    assert line["inspect_ms"] >= 350


def test_silent_clients_have_a_rule_of_their_own(start):
    gate = start([{"tls": "terminate", "pool": "app"}, {"match": {"silent": True}, "pool": "banner"}, {"pool": "app"}],
                 {"app": servers.EchoServer(), "banner": servers.BannerServer(b"SSH-2.0-test\r\n")},
                 inspect_delay="400ms")
    silent, talks = gate.connect(), gate.connect()
    talks.echo(b"words")
    assert silent.recv(14) == b"SSH-2.0-test\r\n"
    for client, rule, pool in ((silent, "rules[1]", "banner"), (talks, "rules[2]", "app")):
        client.close()
        gate.ended(client, "client_closed", rule=rule, pool=pool)


def test_a_rule_for_silent_clients_does_not_delay_those_that_speak(start):
    gate = start([{"match": {"silent": True}, "pool": "banner"}, {"pool": "app"}],
                 {"app": servers.EchoServer(), "banner": servers.BannerServer()}, tls=None)
    watch = Stopwatch()
    gate.connect().echo(b"x")
    assert watch.elapsed() < AT_ONCE


def test_a_session_taken_as_silent_that_sends_a_hello_after_all_is_closed(start):
    server = servers.Listener()
    gate = start([{"tls": "terminate", "pool": "app"}, {"pool": "app"}], {"app": server}, inspect_delay="200ms")
    client = gate.connect()
    peer = server.accept()
    client.send(tls.hello("gateway.example.com"))
    client.expect_closed()
    gate.ended(client, "inspect_timeout")
    try:
        assert b"\x16\x03" not in peer.recv_all(), "TLS bytes reached a plain server"
    except ConnectionResetError:
        pass


def test_a_session_taken_as_silent_that_speaks_plain_goes_on(start):
    gate = start(pools={"app": servers.EchoServer()}, inspect_delay="100ms")
    client = gate.connect()
    client.expect_silence(0.3)
    client.echo(b"late words")


@pytest.mark.tsan
def test_many_clients_of_all_kinds_at_once(start):
    gate = start(pools={"app": servers.EchoServer()}, inspect_delay="1s")
    silent = [gate.connect() for _ in range(10)]
    plain = [gate.connect().send(b"%d" % n) for n in range(10)]
    inner = [tls.TlsPeer(gate.connect(), name="gateway.example.com") for _ in range(10)]
    for number, client in enumerate(inner):
        client.echo(b"tls %d" % number)
    for number, client in enumerate(plain):
        assert client.recv(1) == b"%d" % number
    for client in silent:
        client.expect_silence(0)
        client.echo(b"at last")


@pytest.mark.parametrize("host, seen", [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_any_address_listens_on_both_families_and_shows_ipv4_as_ipv4(start, host, seen):
    gate = start(pools={"app": servers.EchoServer()}, bind="*:@combined")
    client = gate.connect(host=host)
    client.echo(b"both families")
    client.close()
    assert gate.session(client)["client"].startswith(seen + ":")


def test_urgent_data_does_not_stop_a_session(start):
    server = servers.Listener()
    gate = start(pools={"app": server})
    client = gate.connect()
    client.sock.send(b"\x16", socket.MSG_OOB)
    client.send(b"\x16\x03")
    client.send(b"x")
    peer = server.accept()
    client.send(b"rest").finish()
    assert peer.recv_all().endswith(b"xrest")


def test_the_hello_of_a_real_client_keeps_its_bytes_through_a_small_receive_window(start):
    server = servers.EchoServer()
    gate = start(pools={"app": server})
    client = tls.TlsPeer(gate.connect(receive_buffer=4096), name="gateway.example.com")
    client.send(b"q" * 50_000)
    assert client.recv(50_000) == b"q" * 50_000


def test_two_listeners_do_not_mix(launch, pair):
    one, two = servers.NameServer("one"), servers.NameServer("two")
    gate = launch({"listeners": {"first": {"rules": [{"pool": "one"}]}, "second": {"rules": [{"pool": "two"}]}},
                   "pools": {"one": {"servers": [one]}, "two": {"servers": [two]}}, "workers": 2})
    for listener, name in (("first", b"one\n"), ("second", b"two\n")):
        client = gate.connect(listener).send(b"who")
        assert client.recv(4) == name
        client.close()
        assert gate.session(client)["listener"] == listener


def test_a_list_of_addresses_is_one_listener(start):
    extra = net.free_port()
    gate = start(pools={"app": servers.EchoServer()}, bind=["127.0.0.1:@combined", f"127.0.0.1:{extra}"])
    for port in (gate.port, extra):
        client = net.connect((net.HOST, port))
        client.echo(b"same rules")
        client.close()
        assert gate.session(client)["listener"] == "combined"


@pytest.mark.parametrize("rest", [b"\x00", b""], ids=["broken by the next byte", "the delay is over"])
def test_a_silent_client_that_begins_like_tls_is_plain_in_the_end(start, rest):
    server = servers.Listener()
    gate = start(pools={"app": server}, inspect_delay="300ms")
    client = gate.connect()
    peer = server.accept()
    client.send(b"\x16")
    if rest:
        client.send(rest)
    assert peer.recv(1 + len(rest)) == b"\x16" + rest
    peer.send(b"answer")
    assert client.recv(6) == b"answer"
    client.close()
    assert peer.recv_all() == b""
    peer.close()
    assert gate.session(client)["protocol"] == "silent"
