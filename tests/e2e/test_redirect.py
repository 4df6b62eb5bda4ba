"""redirect: an HTTP request on a plain rule is answered by the gateway itself; anything else is rejected."""

import json
import socket

import pytest

from harness import servers, tls, wait
from harness.gate import run

RULES = [{"name": "web", "tls": "terminate", "pool": "app"}, {"name": "to-https", "redirect": "https"}]
ONLY_HTTP = [{"name": "to-https", "match": {"protocol": "http"}, "redirect": "https"}, {"name": "rest", "pool": "app"}]
GET = b"GET /a/b?c=d HTTP/1.1\r\nHost: Gateway.example.com:8080\r\nUser-Agent: x\r\n\r\n"
LOCATION = "https://gateway.example.com/a/b?c=d"


@pytest.fixture
def gate(start):
    return start(RULES, {"app": servers.EchoServer()})


def answer(client) -> dict:
    """The one response, to the end of the connection."""
    data = client.recv_all()
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 301 Moved Permanently" and rest == b"", data
    fields = dict(line.split(": ", 1) for line in lines[1:])
    assert fields["Content-Length"] == "0" and fields["Connection"] == "close" and fields["Date"].endswith(" GMT")
    fields["size"] = len(data)
    return fields


def test_a_request_is_sent_to_https_and_logged(gate):
    client = gate.connect().send(GET)
    fields = answer(client)
    assert fields["Location"] == LOCATION
    client.close()
    line = gate.ended(client, "server_closed", rule="to-https", protocol="http", bytes_in=len(GET),
                      bytes_out=fields["size"], detail="redirected to https://gateway.example.com")
    assert "pool" not in line and "server" not in line and "tls" not in line


def test_curl_follows_it_to_the_server_behind_tls(start, need, command, authority):
    need("curl")
    gate = start(RULES, {"app": servers.HttpServer()})
    status, out, err = command("curl", "-sS", "-L", "--cacert", authority.cert, "--connect-to", f"::127.0.0.1:{gate.port}",
                               "-w", " %{url_effective} %{num_redirects}", "http://gateway.example.com/x?y")
    assert (status, out) == (0, b"hello\n https://gateway.example.com/x?y 1"), err


@pytest.mark.parametrize("size", [1, 2, 7])
def test_the_head_may_come_in_any_pieces(gate, size):
    client = gate.connect().drip(GET, size)
    assert answer(client)["Location"] == LOCATION


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "DELETE", "PROPFIND"])
def test_every_method_is_answered_alike(gate, method):
    client = gate.connect().send(GET.replace(b"GET", method.encode()))
    assert answer(client)["Location"] == LOCATION


def test_a_client_that_sends_a_body_all_the_same_hears_the_answer(gate):
    body = bytes(3_000_000)
    head = GET.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 3000000\r\n\r\n")
    client = gate.connect().send(head + body)  # reads nothing until all is sent
    client.send(b"more")
    assert answer(client)["Location"] == LOCATION
    client.send(b"and more, behind the end of the answer")
    client.close()
    line = gate.session(client)
    assert line["end"] == "server_closed" and line["bytes_in"] >= len(head) + len(body)


def test_who_finishes_after_the_request_hears_the_answer(gate):
    client = gate.connect().send(GET).finish()
    assert answer(client)["Location"] == LOCATION
    gate.ended(client, "server_closed")


def test_a_large_path_comes_back_whole(gate):
    path = b"/" + b"x" * 15000
    client = gate.connect().send(GET.replace(b"/a/b?c=d", path))
    assert answer(client)["Location"] == "https://gateway.example.com" + path.decode()


def test_a_client_that_neither_reads_nor_closes_is_let_go(gate):
    client = gate.connect()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    client.send(GET.replace(b"/a/b?c=d", b"/" + b"x" * 16000))
    assert gate.session(client, seconds=12.0)["end"] in ("server_closed", "idle_timeout")


REJECTED = {
    "no http": (b"8=FIX.4.4\x01", "not HTTP/1"),
    "http/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "not HTTP/1"),
    "no host": (b"GET / HTTP/1.0\r\n\r\n", "no Host"),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a.b\r\nHost: c.d\r\n\r\n", "more than one Host"),
    "a host that is none": (b"GET / HTTP/1.1\r\nHost: a.b/c\r\n\r\n", "a Host that is none"),
    "another host": (b"GET http://a.b/ HTTP/1.1\r\nHost: c.d\r\n\r\n", "a target on another host than Host names"),
    "bare line feeds": (b"GET / HTTP/1.1\nHost: a.b\n\n", "the request line does not end in CRLF behind its version"),
    "a folded line": (b"GET / HTTP/1.1\r\nHost: a.b\r\n c.d\r\n\r\n", "a line of the head that is no field"),
    "connect": (b"CONNECT a.b:443 HTTP/1.1\r\nHost: a.b:443\r\n\r\n", "a target that is no path"),
}


@pytest.mark.parametrize("what", REJECTED)
def test_anything_else_is_rejected(gate, what):
    data, reason = REJECTED[what]
    client = gate.connect().send(data)
    client.expect_reset()
    gate.ended(client, "rejected", rule="to-https", detail=f"no request to redirect: {reason}", bytes_out=0)


def test_the_head_has_to_come_in_time(start):
    gate = start(RULES, {"app": servers.EchoServer()}, timeouts={"handshake": "300ms"})
    client = gate.connect().send(GET[:-2])
    client.expect_reset()
    gate.ended(client, "rejected", detail="no request to redirect: no whole one within timeouts.handshake")


@pytest.mark.parametrize("limit, reason", [("1k", "its head is larger than inspect_limits.max_bytes"),
                                           ("64k", "a head of more than 16384 bytes")])
def test_the_head_is_bounded(start, limit, reason):
    gate = start(RULES, {"app": servers.EchoServer()}, inspect_limits={"max_bytes": limit})
    client = gate.connect().send(GET[:-2] + b"X: " + b"y" * 20000)
    client.expect_reset()
    gate.ended(client, "rejected", detail=f"no request to redirect: {reason}")


@pytest.mark.parametrize("part", [GET[:1], GET[:-2]])
def test_a_client_that_finishes_within_the_head_is_rejected(start, part):
    gate = start([{"redirect": "https"}], {"app": servers.EchoServer()}, tls=None)
    client = gate.connect().send(part).finish()
    client.expect_reset()
    gate.ended(client, "rejected", detail="no request to redirect: the client finished within it", bytes_out=0)


def test_a_client_that_goes_without_a_byte_is_no_request_to_reject(start):
    gate = start([{"redirect": "https"}], {"app": servers.EchoServer()}, tls=None, inspect_delay="50ms")
    client = gate.connect()
    client.expect_silence(0.2)
    client.finish()
    client.expect_closed()
    gate.ended(client, "client_closed", bytes_out=0)


def test_who_is_silent_at_first_may_still_ask(start):
    gate = start(RULES, {"app": servers.EchoServer()}, inspect_delay="100ms")
    client = gate.connect()
    client.expect_silence(0.3)  # a browser's connection in advance
    client.send(GET)
    assert answer(client)["Location"] == LOCATION
    client.close()
    gate.ended(client, "server_closed", protocol="silent")


def test_tls_after_silence_is_not_redirected(start):
    gate = start(RULES, {"app": servers.EchoServer()}, inspect_delay="100ms")
    client = gate.connect()
    client.expect_silence(0.3)
    client.send(tls.hello("gateway.example.com"))
    client.expect_closed()
    assert gate.session(client)["end"] == "rejected"


def test_only_what_the_rule_matches(start):
    gate = start(ONLY_HTTP, {"app": servers.EchoServer()}, tls=None)
    gate.connect().echo(b"8=FIX.4.4\x01")
    client = gate.connect().send(GET)
    assert answer(client)["Location"] == LOCATION


def test_many_at_once(gate):
    clients = [gate.connect().send(GET[:20]) for _ in range(100)]
    for client in clients:
        client.send(GET[20:])
    for client in clients:
        assert answer(client)["Location"] == LOCATION
        client.close()
    wait.until(lambda: len([line for line in gate.sessions() if line["end"] == "server_closed"]) == 100, "all are logged")


def test_explain_tells_where_it_leads(gate):
    def ask(data):
        return json.loads(run("-c", gate.file, "explain", "--hex", data.hex(), "--json").stdout)["decision"]
    assert ask(GET) == {"rule": "to-https", "place": "rules[1]", "location": LOCATION, "end": "server_closed",
                        "detail": "redirected to https://gateway.example.com"}
    for data, reason in REJECTED.values():
        assert ask(data) == {"rule": "to-https", "place": "rules[1]", "end": "rejected",
                             "detail": f"no request to redirect: {reason}"}
    assert ask(GET[:-2])["detail"] == "no request to redirect: no whole one within timeouts.handshake"
    done = run("-c", gate.file, "explain", "--hex", GET.hex())
    assert done.returncode == 0 and f"to-https): redirect, 301 to {LOCATION}" in done.stdout
