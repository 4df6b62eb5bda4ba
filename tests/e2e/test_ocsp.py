"""OCSP responses in the handshake: from a file, and fetched from a real responder (openssl ocsp)."""

import calendar
import os
import re
import time

import pytest

from harness import certs, net, ocsp, servers, settings, tls, wait
from harness.ctl import Ctl

pytestmark = pytest.mark.tsan

NAME = "site.example.com"


def with_issuer(pair, authority):
    """The chain as a server has it: an OCSP response is checked against the issuer's certificate."""
    pair.cert.write_text(pair.cert.read_text() + authority.cert.read_text())
    return pair


def issue(authority, port, extensions=""):
    access = f"authorityInfoAccess=OCSP;URI:http://127.0.0.1:{port}/ocsp\n"
    return with_issuer(authority.issue(NAME, extensions=access + extensions), authority)


@pytest.fixture
def register(tmp_path, authority, need):
    need("openssl")
    return ocsp.Register(tmp_path, authority)


@pytest.fixture
def stale(register, need):
    """stale(pair): a response that held a week, a month ago."""
    need("faketime")
    return lambda pair: register.response(pair, clock="-30 days")


def stapled(gate, command, *args):
    return ocsp.stapled(command, gate, NAME, *args)[0]


def launch(start, pair, staple, **more):
    return start(pools={"app": servers.EchoServer()},
                 tls={"certificates": [pair], "ocsp_staple": staple, **more.pop("tls", {})}, **more)


def gets(gate, command, what, seconds=10):
    wait.until(lambda: stapled(gate, command) == what, f"a response that says {what}", seconds, every=0.1)


# --- from a file ----------------------------------------------------------------------------------

def test_a_response_from_a_file_is_stapled_for_those_who_ask(start, register, authority, need, command, tmp_path):
    pair, file = issue(authority, 9), tmp_path / "staple.der"
    file.write_bytes(register.response(pair))
    gate = launch(start, pair, str(file))
    for version in ("-tls1_2", "-tls1_3"):
        assert stapled(gate, command, version) == "good"
    need("gnutls-cli")
    _, out, err = command("gnutls-cli", "--port", gate.port, "--x509cafile", authority.cert, "--ocsp",
                          "--sni-hostname", NAME, "--verify-hostname", NAME, "127.0.0.1")
    assert b"Handshake was completed" in out, out + err
    assert b"- Options: " in out and b"OCSP" in out.split(b"- Options: ")[1].splitlines()[0], out
    tls.TlsPeer(gate.connect(), name=NAME).echo(b"those who do not ask are served, too")


@pytest.mark.parametrize("spoil", ["garbage", "other certificate", "other signer", "stale"])
def test_a_bad_file_is_refused_once_and_the_response_before_it_stays(start, register, authority, command, tmp_path,
                                                                     stale, spoil):
    pair, file = issue(authority, 9), tmp_path / "staple.der"
    file.write_bytes(register.response(pair))
    gate = launch(start, pair, str(file))
    quiet = gate.events.count()
    bad = {"garbage": lambda: b"hello\n",
           "other certificate": lambda: register.response(authority.issue("other.example.com")),
           "other signer": lambda: register.response(pair, signer=certs.Authority(tmp_path / "other")),
           "stale": lambda: stale(pair)}[spoil]()
    good = register.response(pair, days=3)
    file.write_bytes(bad)
    gate.event("ocsp.refuse", str(file), start=quiet)
    assert stapled(gate, command) == "good"
    os.utime(file)
    assert stapled(gate, command) == "good"
    file.write_bytes(good)
    gate.event("ocsp.load", "1 of 1 certificates", start=quiet)
    assert len(gate.events_with("ocsp.refuse", start=quiet)) == 1


def test_once_revoked_it_is_no_longer_called_good(start, register, authority, command, tmp_path):
    pair, file = issue(authority, 9), tmp_path / "staple.der"
    file.write_bytes(register.response(pair))
    gate = launch(start, pair, str(file))
    file.write_bytes(register.response(pair, status="R"))
    gate.event("ocsp.refuse", "revoked")
    gets(gate, command, "none")


def test_a_bad_file_is_an_error_at_start(start, authority, tmp_path):
    pair, file = issue(authority, 9), tmp_path / "staple.der"
    file.write_bytes(b"hello\n")
    with pytest.raises(Exception) as refused:
        launch(start, pair, str(file))
    assert "ocsp_staple" in refused.value.stderr and "no OCSP response in DER form" in refused.value.stderr


def test_a_stale_file_is_a_warning_at_start_and_not_stapled(start, authority, command, tmp_path, stale):
    pair, file = issue(authority, 9), tmp_path / "staple.der"
    file.write_bytes(stale(pair))
    gate = launch(start, pair, str(file))
    assert gate.events_with("warning:", "ocsp_staple", "it was good until")
    assert stapled(gate, command) == "none"


# --- fetched --------------------------------------------------------------------------------------

@pytest.mark.parametrize("watch", [True, False])
def test_a_response_is_fetched_by_itself_and_survives_a_reload(start, register, authority, command, watch):
    port = net.free_port()
    pair = issue(authority, port)
    register.say(pair)
    responder = ocsp.Responder(register, port)
    gate = launch(start, pair, "auto", tls={"watch": watch})
    gets(gate, command, "good")
    gate.event("ocsp.load", "1 of 1 certificates", NAME)
    assert stapled(gate, command, "-tls1_2") == "good"
    responder.close()
    quiet = gate.events.count()
    gate.reload()
    gate.event("reload", start=quiet)
    assert stapled(gate, command) == "good"


def test_a_renewed_certificate_gets_a_response_of_its_own(start, register, authority, command, tmp_path):
    port = net.free_port()
    first, second = issue(authority, port), issue(authority, port)
    live = certs.copy(first, tmp_path / "live")
    register.say(first)
    responder = ocsp.Responder(register, port)
    gate = launch(start, live, "auto")
    gets(gate, command, "good")
    responder.close()
    register.say(second)
    ocsp.Responder(register, port)
    live.key.write_bytes(second.key.read_bytes())
    live.cert.write_bytes(second.cert.read_bytes())
    gate.event("cert.load")
    gets(gate, command, "good")


def test_a_response_is_renewed_before_its_time_and_never_served_after_it(start, register, authority, command, need):
    """Responses of six seconds: made for a minute by a responder that lives 54 seconds ago."""
    need("faketime")
    port = net.free_port()
    pair = issue(authority, port)
    register.say(pair)
    responder = ocsp.Responder(register, port, lasts=("-nmin", "1"), clock="-54s")
    gate = launch(start, pair, "auto")

    def look():
        before = time.time()
        status, until = ocsp.stapled(command, gate, NAME)
        if status == "good":
            assert calendar.timegm(time.strptime(until, "%b %d %H:%M:%S %Y GMT")) >= int(before)
        return status
    wait.until(lambda: look() == "good" and len(gate.events_with("ocsp.load", NAME)) > 1, "a renewed response", 20,
               every=0.1)
    responder.close()
    gate.event("ocsp.refuse", "the one before stays until", seconds=20)
    wait.until(lambda: look() == "none", "the end of the last response", 20, every=0.1)
    gate.event("ocsp.refuse", "no longer stapled", NAME)


class Trouble(servers.Server):
    """A responder that is none: it says something else, or nothing."""

    def __init__(self, answer):
        self.answer = answer
        super().__init__()

    def handle(self, peer):
        peer.recv_until(b"\r\n\r\n")
        if self.answer is None:
            peer.expect_closed()
        else:
            peer.send(self.answer)


TROUBLE = {"dead": None, "silent": None, "garbage": b"hello\n",
           "an error": b"HTTP/1.0 500 No\r\n\r\n",
           "no OCSP": b"HTTP/1.0 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: 3\r\n\r\n\x30\x01\x00"}


@pytest.mark.parametrize("how", TROUBLE)
def test_without_a_responder_handshakes_go_on_and_one_line_says_so(start, authority, command, how):
    trouble = None if how == "dead" else Trouble(TROUBLE[how])
    port = trouble.port if trouble else net.free_port()
    gate = launch(start, issue(authority, port), "auto")
    before = time.monotonic()
    assert stapled(gate, command) == "none"
    tls.TlsPeer(gate.connect(), name=NAME).echo(b"not held up")
    assert time.monotonic() - before < settings.seconds(3)
    if how == "silent":
        return  # ten seconds until it is given up; stopping does not wait for them
    gate.event("ocsp.refuse", NAME, f"127.0.0.1:{port}")
    if trouble:  # the third attempt begins when the second has failed likewise, and that is not told
        wait.until(lambda: trouble.count > 2, "two more attempts", 10)
        assert len(gate.events_with("ocsp.refuse")) == 1


def test_a_responder_that_comes_back_is_asked_again(start, register, authority, command):
    port = net.free_port()
    pair = issue(authority, port)
    register.say(pair)
    gate = launch(start, pair, "auto")
    gate.event("ocsp.refuse", NAME)
    ocsp.Responder(register, port)
    gets(gate, command, "good", seconds=15)


def test_a_certificate_without_a_responder_is_warned_of(start, pair):
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [pair], "ocsp_staple": "auto"})
    assert gate.events_with("warning:", "ocsp_staple", "names no OCSP responder")


# --- clients that insist --------------------------------------------------------------------------

def test_curl_takes_the_response_and_refuses_without(start, register, authority, command, need, tmp_path):
    need("curl")
    pair, file = issue(authority, 9), tmp_path / "staple.der"
    file.write_bytes(register.response(pair))
    for staple, status in ((str(file), 0), (False, 91)):  # CURLE_SSL_INVALIDCERTSTATUS
        gate = start(pools={"app": servers.HttpServer()}, tls={"certificates": [pair], "ocsp_staple": staple})
        got, out, err = command("curl", "-sS", "--cert-status", "--cacert", authority.cert, "--resolve",
                                f"{NAME}:{gate.port}:127.0.0.1", f"https://{NAME}:{gate.port}/")
        assert (got, out) == (status, b"" if status else b"hello\n"), err


def test_must_staple_is_kept_and_its_lack_is_warned_of(start, register, authority, command, need):
    """GnuTLS holds a server to what the certificate promises (RFC 7633)."""
    need("gnutls-cli")
    port = net.free_port()
    pair = issue(authority, port, "tlsfeature=status_request")
    register.say(pair)

    def visit(gate):
        status, out, err = command("gnutls-cli", "--port", gate.port, "--x509cafile", authority.cert,
                                   "--sni-hostname", NAME, "--verify-hostname", NAME, "127.0.0.1")
        return status == 0, out + err
    without = launch(start, pair, False)
    assert without.events_with("warning:", "ocsp_staple", "must-staple", NAME)
    taken, said = visit(without)
    assert not taken and b"OCSP status" in said, said
    gate = launch(start, pair, "auto")
    assert not gate.events_with("warning:", "must-staple")
    gate.event("ocsp.refuse", "no OCSP response", "must-staple")
    ocsp.Responder(register, port)
    gets(gate, command, "good", seconds=15)
    taken, said = visit(gate)
    assert taken, said


# --- shown ----------------------------------------------------------------------------------------

SHOWN = {"produced_at": "Produced At", "this_update": "This Update", "next_update": "Next Update"}


def dates(command, file):
    """What openssl reads in a response, as the admin interface writes it."""
    _, out, err = command("openssl", "ocsp", "-respin", file, "-text", "-noverify")
    found = {key: re.search(rf"{title}: (.* GMT)".encode(), out) for key, title in SHOWN.items()}
    assert all(found.values()), out + err
    moment = {key: time.strptime(match[1].decode(), "%b %d %H:%M:%S %Y GMT") for key, match in found.items()}
    return {key: time.strftime("%Y-%m-%dT%H:%M:%SZ", when) for key, when in moment.items()}


def shown(gate):
    (certificate,) = gate.admin.get("/v1/certificates")
    return certificate.get("ocsp")


def test_the_admin_interface_shows_a_response_of_a_file_and_why_there_is_no_newer_one(start, register, authority,
                                                                                      command, tmp_path):
    pair, file = issue(authority, 9), tmp_path / "staple.der"
    file.write_bytes(register.response(pair))
    gate = launch(start, pair, str(file), admin=True)
    good = {"stapled": True, "file": str(file), **dates(command, file)}
    assert shown(gate) == good
    ctl = Ctl(gate.folder / "admin.sock")
    assert ctl.table("certs")[0]["OCSP"] == good["next_update"][:16] + "Z"
    file.write_bytes(b"hello\n")
    gate.event("ocsp.refuse", str(file))
    refused = shown(gate)
    why = refused.pop("last_error")
    assert refused == good and str(file) in why and "no OCSP response in DER form" in why
    assert ctl.good("certs").splitlines()[-1] == why


def test_the_admin_interface_shows_what_a_responder_said_and_that_it_says_nothing(start, register, authority):
    port = net.free_port()
    pair = issue(authority, port)
    register.say(pair)
    gate = launch(start, pair, "auto", admin=True)
    gate.event("ocsp.refuse", NAME)
    url = f"http://127.0.0.1:{port}/ocsp"
    missing = shown(gate)
    why = missing.pop("last_error")
    assert missing == {"stapled": False, "responder": url} and url in why and NAME in why
    ctl = Ctl(gate.folder / "admin.sock")
    assert ctl.table("certs")[0]["OCSP"] == "none" and ctl.good("certs").splitlines()[-1] == why
    ocsp.Responder(register, port)
    wait.until(lambda: shown(gate)["stapled"], "a response")
    assert set(shown(gate)) == {"stapled", "responder", *SHOWN}
    assert ctl.good("certs").count("\n") == 2


def test_the_admin_interface_says_nothing_of_responses_that_nobody_wants(start, authority):
    gate = launch(start, issue(authority, 9), False, admin=True)
    assert shown(gate) is None
    assert Ctl(gate.folder / "admin.sock").table("certs")[0]["OCSP"] == "-"
