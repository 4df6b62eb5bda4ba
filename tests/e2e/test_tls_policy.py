"""What scanners and clients make of the policy: the default one has no weakness that they know, and a client that is
refused leaves a line that says why."""

import json
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from harness import servers, settings, tls


@pytest.fixture
def gate(start, authority):
    """The default policy, with an ECDSA and an RSA certificate that scanners have nothing to say of."""
    revocable = "authorityInfoAccess=OCSP;URI:http://127.0.0.1:9/"
    pairs = [authority.issue("localhost", "127.0.0.1", kind=kind, extensions=revocable) for kind in ("ec", "rsa")]
    return start([{"tls": "terminate", "pool": "web"}], {"web": servers.HttpServer()}, tls={"certificates": pairs})


# --- scanners -------------------------------------------------------------------------------------

# Split so that the three together take as long as the longest: about 40 s on two cores.
TESTSSL = [("-p", "-s", "-f"), ("-P", "-S"), ("-U",)]
FINE = {"OK", "INFO", "LOW", "WARN", "DEBUG"}  # WARN: testssl.sh could not make a check, as with no network


@pytest.mark.seconds(150)
def test_testssl_finds_nothing_above_low(gate, authority, need, tmp_path):
    def begin(number, checks):
        file = tmp_path / f"testssl-{number}.json"
        return file, subprocess.Popen(
            [need("testssl"), "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--ip", "127.0.0.1",
             "--add-ca", str(authority.cert), "--jsonfile", str(file), "--assume-http", *checks,
             f"localhost:{gate.port}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    running = [begin(number, checks) for number, checks in enumerate(TESTSSL)]
    findings = []
    for file, process in running:
        said, _ = process.communicate(timeout=settings.seconds(140))
        assert file.exists(), said
        findings += json.loads(file.read_text())
    bad = [f"{f['id']}: {f['severity']}: {f['finding']}" for f in findings if f["severity"] not in FINE]
    assert not bad, bad
    seen = {f["id"]: f["finding"] for f in findings}
    for check in ("TLS1_3", "SSLv3", "cipher_order", "secure_renego", "CRIME_TLS", "heartbleed", "ROBOT", "PFS"):
        assert check in seen, f"{check} was not looked at: {sorted(seen)}"


def test_sslscan_finds_nothing_weak(gate, need, command, authority):
    _, out, err = command(need("sslscan"), "--xml=-", "--targets=/dev/stdin", "--no-colour",
                          data=f"localhost:{gate.port}\n".encode(), seconds=60)
    scan = ElementTree.fromstring(out).find("ssltest")
    assert scan is not None, out + err
    enabled = {f"{p.get('type')}{p.get('version')}" for p in scan.findall("protocol") if p.get("enabled") == "1"}
    assert enabled == {"tls1.2", "tls1.3"}
    assert scan.find("renegotiation").get("supported") == "0"
    assert scan.find("compression") is None or scan.find("compression").get("supported") == "0"
    assert all(entry.get("vulnerable") == "0" for entry in scan.findall("heartbleed"))
    ciphers = scan.findall("cipher")
    assert len(ciphers) > 6 and all(int(cipher.get("bits")) >= 128 for cipher in ciphers)
    assert {cipher.get("strength") for cipher in ciphers} <= {"acceptable", "strong"}
    groups = scan.findall("group")
    assert groups and all(int(group.get("bits")) >= 128 for group in groups)
    assert not [group.get("name") for group in groups if "ff" in group.get("name")]


# --- refused clients ------------------------------------------------------------------------------

S_CLIENT = [
    (("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"), {}, "offers only TLS 1.1, at least TLS 1.2 is needed"),
    (("-tls1_2",), {"min_version": "1.3"}, "offers only TLS 1.2, at least TLS 1.3 is needed"),
    (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"), {}, "no cipher in common"),
    (("-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256"), {}, "no cipher in common"),
    (("-tls1_3", "-groups", "X448"), {}, "no key exchange group in common"),
    (("-tls1_3", "-groups", "ffdhe8192"), {}, "no key exchange group in common"),
    (("-tls1_3", "-sigalgs", "ed25519"), {}, "no signature algorithm in common that fits the certificate"),
    (("-alpn", "x-unknown"), {"alpn": ["h2"]}, "none of the client's ALPN protocols is spoken here"),
    (("-servername", "other.example.com"), {"strict_sni": True}, "no certificate for the name other.example.com"),
    (("-verify_return_error",), {}, "the client does not trust the certificate (alert unknown CA)"),
]


@pytest.mark.parametrize("options, policy, words", S_CLIENT, ids=[" ".join(row[0]) for row in S_CLIENT])
def test_a_refused_client_leaves_a_reason(start, pair, need, command, options, policy, words):
    server = servers.Listener()
    gate = start(pools={"app": server}, tls={"certificates": [pair], **policy})
    name = [] if "-servername" in options else ["-servername", "gateway.example.com"]
    command(need("openssl"), "s_client", "-connect", f"127.0.0.1:{gate.port}", *name, *options)
    line = gate.session(end="handshake_failed")
    assert words in line["detail"], line
    server.expect_nobody(0.1)


def test_gnutls_says_what_it_was_refused_for(start, pair, need, command):
    gate = start(pools={"app": servers.Listener()}, tls={"certificates": [pair]})
    command(need("gnutls-cli"), "--port", gate.port, "--insecure", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.1",
            "127.0.0.1")
    assert "TLS 1.1" in gate.session(end="handshake_failed")["detail"]


def test_plain_http_where_only_tls_is_spoken_is_told_apart(start, pair):
    gate = start([{"tls": "terminate", "pool": "app"}], {"app": servers.Listener()}, tls={"certificates": [pair]})
    client = gate.connect().send(b"GET / HTTP/1.1\r\nHost: gateway.example.com\r\n\r\n")
    client.expect_closed()
    line = gate.ended(client, "no_rule")
    assert (line["protocol"], line["detail"]) == ("http", "plain HTTP, and every rule is for TLS")
    client = gate.connect().send(b"SSH-2.0-x\r\n")
    client.expect_closed()
    assert gate.ended(client, "no_rule")["detail"] == "not TLS, and every rule is for TLS"


def test_tls_where_every_rule_is_plain_is_told_apart(start, pair):
    gate = start([{"match": {"protocol": "http"}, "pool": "app"}], {"app": servers.Listener()},
                 tls={"certificates": [pair]})
    client = gate.connect().send(tls.hello("gateway.example.com"))
    client.expect_closed()
    assert gate.ended(client, "no_rule")["detail"] == "TLS, and every rule is for plain connections"
    client = gate.connect().send(b"SSH-2.0-x\r\n")
    client.expect_closed()
    assert "detail" not in gate.ended(client, "no_rule")  # one of them could have taken it


# --- groups ---------------------------------------------------------------------------------------

def test_the_hybrid_group_is_there_where_openssl_has_it_and_an_unknown_one_is_an_error(start, pair, need, command):
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [pair]})
    status, _, err = command(need("openssl"), "s_client", "-groups", "X25519MLKEM768", "-tls1_3", "-connect",
                             f"127.0.0.1:{gate.port}")
    if b"Error with command" not in err and b"Call to SSL_CONF_cmd" not in err:
        assert status == 0, err  # this OpenSSL knows it, and so does the gateway
    with pytest.raises(Exception) as refused:
        start(pools={"app": servers.EchoServer()}, tls={"certificates": [pair], "groups": "X25519:X25519NOSUCH"})
    assert 'no group "X25519NOSUCH"' in refused.value.stderr


def test_a_retried_hello_keeps_rule_and_certificate(start, pair, authority, need, command):
    """The first share is one that the gateway does not take: the hello comes twice."""
    other = authority.known("other.example.com")
    gate = start([{"name": "other", "match": {"sni": "other.example.com"}, "tls": "terminate", "pool": "app"},
                  {"name": "rest", "tls": "terminate", "pool": "app"}], {"app": servers.FixServer()},
                 tls={"certificates": [pair, other], "groups": "X25519"})
    for _ in range(3):
        _, out, err = command(need("openssl"), "s_client", "-connect", f"127.0.0.1:{gate.port}", "-tls1_3", "-groups",
                              "P-521:X25519", "-servername", "other.example.com", "-msg")
        assert out.count(b"ClientHello") == 2, "no retry was asked for"
        assert b"CN = other.example.com" in out, out + err
    assert gate.session(rule="other")["sni"] == "other.example.com"
