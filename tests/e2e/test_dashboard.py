"""The dashboard, in a real browser: what it shows, that its buttons do what they say, and that nobody's name becomes markup.

MUXGATE_SHOTS=FOLDER keeps pictures of it."""

import os
import re
import signal
from pathlib import Path

import pytest

from harness import fix, net, servers, tls, wait
from harness.browser import Browser

pytestmark = pytest.mark.seconds(120)
TREE = Path(__file__).resolve().parent.parent.parent
FILES = TREE / "src/admin/dashboard"
TOKEN = "0123456789abcdef-token"
HOSTILE = "<img src=x onerror=document.title='owned'>"


@pytest.fixture(scope="module")
def shared():
    """One browser for all of them, once one is wanted."""
    browsers = []
    yield browsers
    for browser in browsers:
        browser.close()


@pytest.fixture
def browse(need, shared):
    """browse(gate) → a browser that shows the gate's dashboard."""
    programs = need("chromium"), need("chromedriver")
    if not shared:
        shared.append(Browser(*programs))
    browser = shared[0]
    browser.blank()

    def make(gate):
        browser.open(f"http://127.0.0.1:{gate.ports['admin']}/")
        browser.until_text("#link", "live")
        return browser
    yield make
    browser.blank()


@pytest.fixture
def gate(start, authority, tmp_path):
    """A gate with several rules, two pools, two certificates and a token."""
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    one, two, down = servers.EchoServer(), servers.EchoServer(), net.free_port()
    pools = {"fix": {"servers": [{"address": one.address, "name": "one"}, {"address": two.address, "name": "a/b"}], "balance": "least_conn"},
             "db": {"servers": [f"127.0.0.1:{down}"], "health_check": {"interval": "50ms", "fall": 1, "rise": 1}}}
    rules = [{"name": "partners", "tls": "terminate", "rules": [
                {"name": "acme", "match": {"fix": {"SenderCompID": "ACME"}}, "pool": "fix"}, {"name": "the rest", "pool": "fix"}]},
             {"name": "ssh", "match": {"protocol": "ssh"}, "reject": True}, {"name": "plain", "pool": "fix"}]
    pair, short = authority.issue("gateway.example.com", "*.example.org"), authority.issue("old.example.com", days=5)
    gate = start(rules, pools, tls={"certificates": [pair, short]}, check_books=False,
                 admin={"socket": "admin.sock", "http": "127.0.0.1:@admin", "token_file": str(token)})
    gate.servers = one, two
    return gate


def shoot(browser, name):
    folder = os.environ.get("MUXGATE_SHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        browser.screenshot(Path(folder) / f"{name}.png")


def live(gate):
    """Some sessions of each kind."""
    over, plain = tls.TlsPeer(gate.connect(), name="gateway.example.com"), gate.connect()
    over.echo(fix.logon("ACME", "VENUE"))
    plain.echo(fix.logon("PLAINCO", "VENUE"))
    ssh = gate.connect().send(b"SSH-2.0-x\r\n")
    gate.session(ssh, end="rejected")
    return over, plain


# --- files ----------------------------------------------------------------------------------------


TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def test_every_file_is_served_as_it_is_in_the_tree(gate):
    for file in sorted(FILES.iterdir()):
        answer = gate.admin_http.ask("GET", "/" if file.name == "index.html" else f"/ui/{file.name}")
        assert answer.status == 200 and answer.body == file.read_bytes(), file.name
        assert answer.headers["Content-Type"] == TYPES[file.suffix]
        policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'" and policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert "unsafe" not in str(policy) and policy["require-trusted-types-for"] == "'script'"
    for missing in ("/ui/none.js", "/ui/", "/ui/..%2Fguard.c", "/index.html"):
        assert gate.admin_http.ask("GET", missing).status == 404
    assert gate.admin_http.ask("GET", "/", headers={"Host": "evil.example.com"}).status == 403
    assert gate.admin_http.ask("POST", "/").status == 405


def test_the_page_works_through_a_tunnel_to_the_socket(gate):
    """As ssh -L 9019:SOCKET has it."""
    tunnel = {"Host": "localhost:9019", "Origin": "http://localhost:9019"}
    assert gate.admin.ask("GET", "/", headers=tunnel).status == 200
    assert gate.admin.ask("POST", "/v1/reload", headers=tunnel).status == 200


def test_the_page_needs_nothing_from_elsewhere_and_makes_no_markup():
    for file in FILES.iterdir():
        text = file.read_text()
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), file.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text), file.name
    page = (FILES / "index.html").read_text()
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=", page)


# --- what it shows --------------------------------------------------------------------------------


def test_it_shows_what_the_gate_does(gate, browse):
    browser = browse(gate)
    over, plain = live(gate)
    assert browser.until_text("#state", "running") and str(gate.pid) in browser.find("#facts").text
    browser.until_text("#protocols tr", "fix")
    assert browser.until_text("#protocols tr", "tls").split()[:2] == ["tls", "1"]
    assert "ssh" in browser.find("#protocols").text
    acme = browser.until_text("#listeners tr", "acme")
    assert "→ fix" in acme and acme.split("\t")[1] == "1", "one hit"
    assert "terminate" in browser.until_text("#listeners tr", "partners") and "reject" in browser.until_text("#listeners tr", "ssh")
    assert "combined" in browser.find("#listeners").text and f"127.0.0.1:{gate.port}" in browser.find("#listeners").text
    assert "least conn" in browser.find("#pools").text
    assert "down" in browser.until_text("#pools tr", "refused"), "the server that is not there, and why"
    for name, days in (("*.example.org, gateway.example.com", "days"), ("old.example.com", "4 days")):
        assert days in browser.until_text("#certificates tr", name)
    assert browser.until_text("#ends tr", "rejected").split()[-1] == "1"
    row = browser.until_text("#sessions tr", over.name)
    assert "gateway.example.com" in row and "ACME → VENUE" in row and "relay" in row and "tls + fix" in row
    assert "PLAINCO → VENUE" in browser.until_text("#sessions tr", plain.name)
    numbers = browser.run("return [...document.querySelectorAll('#tiles strong')].map(e => e.textContent)")
    assert len(numbers) == 4 and numbers[1] == "2"
    plain.echo(b"x" * 50000)
    browser.until("return document.querySelectorAll('#tiles small')[2].textContent.includes('kB')", "the bytes are seen")
    assert browser.run("return document.querySelector('#tiles polyline').points.length > 1")
    plain.close()
    browser.until_text("#ends tr", "client closed")
    assert browser.console() == []
    shoot(browser, "light")


def test_searching_asks_the_gate(gate, browse):
    browser = browse(gate)
    over, plain = live(gate)
    browser.until_text("#sessions tr", plain.name)
    browser.find("#search").type("PLAINCO")
    browser.until("return document.querySelectorAll('#sessions tbody tr').length === 1", "one is left")
    assert plain.name in browser.find("#sessions").text and "1 with this text" in browser.find("#shown").text
    browser.find("#search").type("-nobody")
    browser.until_text("#sessions", "No session matches.")
    assert browser.console() == []


def test_a_hostile_name_is_text(gate, browse):
    """An SNI and a CompID are whatever a client likes."""
    browser = browse(gate)
    logon = gate.connect()
    logon.echo(fix.logon(HOSTILE, "\u202ereversed".encode().decode("latin-1")))
    shown = browser.until_text("#sessions tr", HOSTILE)
    assert logon.name in shown
    assert browser.run("return document.querySelectorAll('main img, main script').length") == 0
    assert "owned" not in browser.ask("GET", "/title")
    text = browser.run("return document.querySelector('#sessions .who').textContent")
    assert "\u202e" not in text
    markup = "try { document.body.innerHTML = '<b>x</b>'; return 'made'; } catch (e) { return e.name; }"
    assert browser.run(markup) == "TypeError", "the policy takes no markup from scripts"
    browser.console()


def test_a_hostile_sni_is_text(start, browse):
    name = "<b>x</b>.example.com"
    server = servers.Listener()
    gate = start([{"tls": "passthrough", "pool": "app"}], {"app": server}, tls=None, check_books=False,
                 admin={"socket": "admin.sock", "http": "127.0.0.1:@admin"})
    browser = browse(gate)
    client = gate.connect().send(tls_hello(name))
    wait.until(lambda: [s.get("sni") for s in gate.admin.sessions()] == [name], "the gateway has the name as it is")
    browser.until_text("#sessions tr", name)
    assert browser.run("return document.querySelectorAll('#sessions b').length") == 0
    assert browser.console() == []
    client.close()


def tls_hello(name: str) -> bytes:
    """A ClientHello with this name, which no library would send."""
    marker = "m" * len(name)
    peer = tls.TlsPeer.__new__(tls.TlsPeer)
    peer.incoming, peer.outgoing = tls.ssl.MemoryBIO(), tls.ssl.MemoryBIO()
    session = tls.client_context().wrap_bio(peer.incoming, peer.outgoing, server_hostname=marker)
    with pytest.raises(tls.ssl.SSLWantReadError):
        session.do_handshake()
    return peer.outgoing.read().replace(marker.encode(), name.encode())


# --- what it does ---------------------------------------------------------------------------------


def give_token(browser, token):
    browser.find("#ask-token[open]")
    browser.find("#token").type(token)
    browser.find("#ask-token button.primary").click()


def test_kill_and_drain_ask_for_the_token_once(gate, browse):
    browser = browse(gate)
    over, plain = live(gate)
    row = next(r for r in gate.admin.sessions() if r["client"] == plain.name)
    kill = browser.find(f"button[aria-label='kill {row['id']}']")
    kill.click()
    assert kill.text == "sure?"
    kill.click()
    give_token(browser, "a-wrong-token-of-length")
    wait.until(lambda: browser.run("return document.querySelector('#ask-token').open && document.querySelector('#token').value === ''"), "asked again")
    give_token(browser, TOKEN)
    plain.expect_reset()
    gate.ended(plain, "killed", id=row["id"])
    browser.until_text("#toasts", f"session {row['id']} was ended")
    browser.until("return !document.querySelector('#sessions').innerText.includes(arguments[0])", "it is gone", plain.name)

    browser.find("button[aria-label='drain a/b']").click()
    wait.until(lambda: gate.admin.server("fix", "a/b")["state"] == "drain", "it drains")
    browser.until_text("#pools tr", "drain")
    before = gate.servers[1].count
    for _ in range(3):
        gate.connect().echo(b"x")
    assert gate.servers[1].count == before
    browser.until("return document.querySelector(\"button[aria-label='drain a/b']\").hidden", "ready is offered instead")
    browser.find("button[aria-label='ready a/b']").click()
    wait.until(lambda: gate.admin.server("fix", "a/b")["state"] == "ready", "it serves again")
    over.echo(b"it was not touched")
    refusals = [entry for entry in browser.console() if "401" not in entry["message"]]
    assert refusals == [], "nothing but the browser's own word on the two 401"


def test_reload_tells_what_is_wrong(gate, browse):
    browser = browse(gate)
    gate.write_text(gate.file.read_text().replace('"pool": "fix"', '"pool": "nothing"'))
    browser.find("#reload").click()
    give_token(browser, TOKEN)
    said = browser.until_text("#toasts .bad", "the old one runs on")
    assert 'no pool named "nothing"' in said
    gate.write(gate.template)
    browser.find("#reload").click()
    browser.until_text("#toasts", "reloaded: generation 2")
    browser.until_text("#facts", "2")


def test_a_configuration_that_waits_to_be_confirmed_is_shown_and_confirmed(gate, browse):
    browser = browse(gate)
    browser.until_text("#facts", "1")
    assert not browser.find("#trial").visible
    assert gate.admin.ask("POST", "/v1/reload?confirm=1h").status == 200
    said = browser.until_text("#trial", "generation 1 comes back in 59 min")
    assert said.startswith("Generation 2 waits to be confirmed")
    browser.find("#confirm").click()
    give_token(browser, TOKEN)
    browser.until_text("#toasts", "confirmed: generation 2 stays")
    browser.until("return document.querySelector('#trial').hidden", "it waits no more")
    assert gate.admin.ask("POST", "/v1/confirm").status == 409


def test_without_a_token_file_it_says_that_nothing_can_be_changed(start, browse):
    gate = start([{"pool": "app"}], {"app": servers.EchoServer()}, tls=None, check_books=False,
                 admin={"socket": "admin.sock", "http": "127.0.0.1:@admin"})
    browser = browse(gate)
    browser.find("#reload").click()
    browser.until_text("#toasts .bad", "admin.token_file")
    assert not browser.find("#ask-token").visible


def test_it_says_when_the_gate_drains_and_when_it_has_gone(gate, browse):
    browser = browse(gate)
    over, plain = live(gate)
    browser.until_text("#sessions tr", plain.name)
    gate.signal(signal.SIGTERM)
    browser.until_text("#state", "draining")
    over.close()
    plain.close()
    assert gate.wait_exit() == 0
    browser.until_text("#link", "not reached")


# --- how it looks ---------------------------------------------------------------------------------


def test_it_fits_every_width_in_light_and_dark(gate, browse):
    browser = browse(gate)
    over, plain = live(gate)
    browser.until_text("#sessions tr", plain.name)
    for _ in range(3):
        over.echo(b"y" * 4000)
        seen = browser.run("return document.querySelector('#tiles polyline').points.length")
        browser.until("return document.querySelector('#tiles polyline').points.length > arguments[0]", "another look", seen)
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        red = browser.run("return Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
        assert (red < 64) == (scheme == "dark")
        for width in (360, 820, 1440):
            browser.size(width, 900)
            over_wide = """return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
                && !e.closest('.scroll, .toasts, thead')).map(e => e.id || e.className || e.tagName)"""
            assert browser.run("return document.documentElement.scrollWidth <= innerWidth"), browser.run(over_wide)
            shoot(browser, f"{scheme}-{width}")
    assert browser.console() == []
