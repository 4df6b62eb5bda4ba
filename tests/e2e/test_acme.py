"""Certificates from a real ACME authority through the gateway's own port, as the recipe has it, under a live session."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from harness import acme, certs, fix, net, servers, settings, tls, wait

TREE = Path(__file__).resolve().parent.parent.parent
RECIPE = TREE / "docs/recipes/lets-encrypt.md"
NAME = "fix.example.com"
RENEWED_WITHIN = 1.5


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", RECIPE.read_text(encoding="utf-8"), flags=re.M | re.S)


def command_line(*words):
    """The recipe's command that begins so, as a list."""
    found = [line for block in blocks("sh") for line in block.splitlines() if line.startswith(" ".join(words))]
    assert len(found) == 1, f"the recipe has {len(found)} commands that begin with {words}"
    return shlex.split(found[0])


class Scene:
    """Pebble, which looks for the names at `port`, and the recipe with its places put elsewhere."""

    def __init__(self, folder, authority):
        self.folder = folder
        self.port, self.http, self.alpn = (net.free_port() for _ in range(3))
        self.pebble = acme.Pebble(folder / "pebble", authority, self.port)
        self.moved = {"/etc/letsencrypt": str(folder / "letsencrypt"), "/var/lib/lego": str(folder / "lego"),
                      "8402": str(self.http), "8403": str(self.alpn)}

    def move(self, text):
        for old, new in self.moved.items():
            text = text.replace(old, new)
        return text

    def config(self, server, **tls_keys):
        config = json.loads(self.move(blocks("json")[0]))
        listener = config["listeners"]["combined"]
        listener["bind"] = f"127.0.0.1:{self.port}"
        listener["tls"].update(tls_keys)
        config["pools"]["fix"]["servers"] = [str(server)]
        return {**config, "workers": 2}

    def run(self, *arguments):
        done = subprocess.run([self.move(word) for word in arguments], capture_output=True, stdin=subprocess.DEVNULL,
                              env=self.pebble.environment(), timeout=settings.seconds(45))
        assert done.returncode == 0, (done.stdout + done.stderr).decode()

    def certbot(self, arguments):
        folder = self.folder
        self.run(*arguments, "--config-dir", "/etc/letsencrypt", "--work-dir", str(folder / "work"), "--logs-dir",
                 str(folder / "logs"), "--server", self.pebble.directory, "--non-interactive", "--agree-tos",
                 "--register-unsafely-without-email", "--no-random-sleep-on-renew")

    def lego(self, arguments, *more):
        self.run(arguments[0], "--server", self.pebble.directory, "--accept-tos", "--email", "nobody@example.com",
                 *arguments[1:], *more)

    def connect(self):
        return net.connect((net.HOST, self.port))

    def served(self):
        client = tls.TlsPeer(self.connect(), name=NAME)
        try:
            return client.certificate()
        finally:
            client.close()

    def fix_session(self):
        session = tls.TlsPeer(self.connect(), name=NAME)
        session.send(fix.logon())
        assert fix.read(session)["35"] == "A"
        return session


@pytest.fixture
def scene(need, tmp_path, authority):
    for program in acme.PROGRAMS:
        need(program)
    return Scene(tmp_path, authority)


def renew_under_a_session(scene, gate, pair, renew):
    """A FIX session, in TLS, is held while everything is renewed through the same port."""
    old = pair.der()
    assert scene.served() == old
    session, plain = scene.fix_session(), scene.connect()
    plain.send(fix.logon("PLAIN"))
    assert fix.read(plain)["35"] == "A"
    quiet = gate.events.count()
    renew()
    new = pair.der()
    assert new != old
    wait.until(lambda: scene.served() == new, "the new certificate is served", RENEWED_WITHIN, every=0.05)
    assert gate.events_with("cert.load", start=quiet) and not gate.events_with("cert.refuse", start=quiet)
    for held in (session, plain):
        held.send(fix.message("5", "CLIENT", "VENUE", 2))
        assert fix.read(held)["35"] == "5"
    assert session.certificate() == old


@pytest.mark.seconds(120)
def test_certbot_renews_by_http01_through_the_combined_port(scene, launch, need):
    need("certbot")
    scene.certbot([*command_line("certbot", "certonly"), "--http-01-port", str(scene.port)])
    live = scene.folder / "letsencrypt/live" / NAME
    gate = launch(scene.config(servers.FixServer()))
    pair = certs.Pair(live / "fullchain.pem", live / "privkey.pem")
    renew_under_a_session(scene, gate, pair,
                          lambda: scene.certbot([*command_line("certbot", "renew"), "--force-renewal"]))
    assert gate.session(rule="acme-http")["protocol"] == "http"


@pytest.mark.seconds(120)
def test_lego_renews_by_tls_alpn_01_through_a_passthrough_rule(scene, launch, need):
    need("lego")
    renew = command_line("lego")
    first = [f"127.0.0.1:{scene.port}" if word == "127.0.0.1:8403" else word for word in renew[:renew.index("renew")]]
    scene.lego(first, "run")
    folder = scene.folder / "lego/certificates"
    gate = launch(scene.config(servers.FixServer(), certificates=[{"directory": str(folder)}]))
    pair = certs.Pair(folder / f"{NAME}.crt", folder / f"{NAME}.key")
    days = [word if word != "30" else "10000" for word in renew]
    renew_under_a_session(scene, gate, pair, lambda: scene.lego(days, "--no-random-sleep"))
    line = gate.session(rule="acme-tls")
    assert (line["tls"], line["alpn"], line["sni"]) == ("passthrough", "acme-tls/1", NAME)


def test_the_deploy_hook_puts_a_renewed_pair_into_the_folder(start, authority, tmp_path):
    lineage, folder = tmp_path / "live" / "site.example.com", tmp_path / "certs"
    lineage.mkdir(parents=True)

    def renew():
        pair = authority.issue("site.example.com")
        (lineage / "fullchain.pem").write_bytes(pair.cert.read_bytes())
        (lineage / "privkey.pem").write_bytes(pair.key.read_bytes())
        subprocess.run([TREE / "scripts/certbot-deploy-hook"], check=True, timeout=10,
                       env={"PATH": "/usr/bin:/bin", "RENEWED_LINEAGE": str(lineage), "MUXGATE_CERTS": str(folder)})
        return pair

    def served():
        client = tls.TlsPeer(gate.connect(), name="site.example.com")
        try:
            return client.certificate()
        finally:
            client.close()

    first = renew()
    assert [file.name for file in folder.iterdir()] == ["site.example.com.pem"]
    assert (folder / "site.example.com.pem").stat().st_mode & 0o777 == 0o600
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [{"directory": str(folder)}]})
    assert served() == first.der()
    second = renew()
    wait.until(lambda: served() == second.der(), "the new certificate is served", RENEWED_WITHIN, every=0.05)
    missing = subprocess.run([TREE / "scripts/certbot-deploy-hook"], env={"PATH": "/usr/bin:/bin"}, capture_output=True)
    assert missing.returncode != 0 and b"RENEWED_LINEAGE" in missing.stderr
