"""What a peer does at a bad moment: a reset in the middle of a doubt, urgent bytes, an end with words before it."""

import signal
import socket
import time

import pytest

from harness import net, servers, tls, wait
from harness.gate import StartError

PLAIN = [{"pool": "app"}]
BOTH = [{"tls": "terminate", "pool": "app"}, {"pool": "app"}]


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def taken_as_silent(start, **more):
    server = servers.Listener()
    gate = start(BOTH, {"app": server}, inspect_delay="50ms", **more)
    client = gate.connect()
    return gate, client, server.accept()


def test_the_reset_of_a_client_taken_as_silent_reaches_the_server_as_one(start):
    gate, client, server = taken_as_silent(start)
    client.reset()
    server.expect_reset()
    gate.ended(client, "client_reset")


def test_urgent_bytes_of_a_client_taken_as_silent_do_not_make_the_gateway_spin(start):
    gate, client, _ = taken_as_silent(start)
    client.send(b"\x16")
    client.sock.send(b"\x03", socket.MSG_OOB)
    client.send(b"\x01" * 20)
    before = cpu_seconds(gate.pid)
    time.sleep(1)
    assert cpu_seconds(gate.pid) - before < 0.3


@pytest.mark.parametrize("name", ["what a name!", "gate way"])
def test_a_name_that_is_none_counts_as_no_name_in_the_handshake_too(start, name):
    gate = start(BOTH, {"app": servers.EchoServer()})
    client = tls.TlsPeer(gate.connect(), name=name)
    client.echo(b"through")
    client.close()
    assert gate.session(client)["sni"] == name


def test_what_a_server_says_before_its_reset_reaches_the_client(start):
    server = servers.Listener()
    gate = start(PLAIN, {"app": server}, tls=None)
    client = gate.connect().send(b"a long order")
    peer = server.accept()
    assert peer.recv(12) == b"a long order"
    client.send(b"x" * 100)
    wait.until(lambda: len(peer.sock.recv(1000, socket.MSG_PEEK)) == 100, "the order is at the server")
    peer.send(b"too long").close()  # over unread bytes: a reset
    assert client.recv(8) == b"too long"
    client.expect_reset()


def test_it_reaches_the_client_also_when_the_next_write_tells_of_the_reset(start):
    server = servers.Listener()
    gate = start(PLAIN, {"app": server}, tls=None)
    for _ in range(8):  # which side's event comes first is the kernel's choice
        client = gate.connect().send(b"an order")
        peer = server.accept()
        assert peer.recv(8) == b"an order"
        gate.signal(signal.SIGSTOP)
        client.send(b"and more of it")
        peer.send(b"refused").reset()
        gate.signal(signal.SIGCONT)
        assert client.recv(7) == b"refused"
        client.expect_reset()
        gate.ended(client, "server_reset", bytes_out=7)


def test_an_end_within_the_hello_is_answered_with_an_end(start):
    gate = start(BOTH, {"app": servers.Listener()})
    client = gate.connect().send(tls.hello("gateway.example.com")[:60]).finish()
    client.expect_eof()
    gate.ended(client, "client_closed")


def test_a_close_notify_before_any_byte_is_answered_with_one(start):
    gate = start([{"tls": "terminate", "rules": [{"match": {"protocol": "fix"}, "pool": "app"}]}],
                 {"app": servers.Listener()})
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com").finish()
    client.expect_eof()
    assert not client.truncated
    gate.ended(client, "client_closed")


def test_a_path_in_use_is_refused_and_left_to_its_owner(start, launch, build, tmp_path):
    path = tmp_path / "gate.sock"
    first = start(PLAIN, {"app": servers.EchoServer()}, tls=None, bind=f"unix:{path}")
    with pytest.raises(StartError):
        launch(build(PLAIN, {"app": servers.EchoServer()}, tls=None, bind=f"unix:{path}"))
    net.connect(str(path)).echo(b"the first one is not disturbed")
    assert first.process.poll() is None


def test_a_path_that_another_process_has_taken_over_is_left_to_it(start, tmp_path):
    path = tmp_path / "gate.sock"
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, bind=f"unix:{path}")
    path.unlink()
    servers.Listener(path=str(path))
    gate.stop()
    assert path.exists()


def test_a_header_longer_than_what_may_be_inspected_is_still_a_header(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, accept_proxy=["127.0.0.0/8"],
                 inspect_limits={"max_bytes": "1k"})
    addresses = socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.8") + b"\x04\xd2\x16\x2e"
    noop = b"\x04" + (2000).to_bytes(2, "big") + bytes(2000)
    header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + len(addresses + noop).to_bytes(2, "big") + addresses + noop
    client = gate.connect().send(header)
    client.echo(b"behind it")
