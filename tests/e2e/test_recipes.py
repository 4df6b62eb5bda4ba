"""The recipes of docs/recipes, as they stand there but for addresses and files; where a recipe shows
another program's file, that program runs beside muxgate and treats the same clients the same."""

import json
import subprocess
import time

import pytest

from harness import fix, net, postgres, proxy, servers, settings, tls
from harness.ctl import Ctl
from harness.gate import run
from harness.recipes import FOLDER, Program, Recipe, write


@pytest.fixture
def pem(pair, tmp_path):
    """Chain and key in one file, as HAProxy, stunnel and hitch want it."""
    path = tmp_path / "gateway.pem"
    path.touch(mode=0o600)
    path.write_text(pair.cert.read_text() + pair.key.read_text())
    return path


def logs_on(client, name="DESK") -> bool:
    client.send(fix.logon(name))
    return fix.read(client)["56"] == name


def secure(peer, **context):
    return tls.TlsPeer(peer, tls.client_context(**context), name="localhost")


def test_every_recipe_is_on_the_list_and_run_here():
    pages = {path.stem for path in FOLDER.glob("*.md")} - {"README"}
    listed = {page for page in pages if f"({page}.md)" in (FOLDER / "README.md").read_text()}
    assert listed == pages
    elsewhere = {"transparent", "lets-encrypt"}  # in test_origin.py and test_acme.py
    here = open(__file__, encoding="utf-8").read()
    assert all(f'Recipe("{page}")' in here for page in pages - elsewhere)


# --- where people come from --------------------------------------------------------------------

def test_from_haproxy(launch, need, tmp_path, pem):
    recipe, acceptors = Recipe("from-haproxy"), [servers.FixServer(), servers.FixServer()]
    places = {"10.0.0.5:9878": acceptors[0], "10.0.0.6:9878": acceptors[1], "/etc/haproxy/gateway.pem": pem}
    gate = launch(recipe.config(places))
    ports = {port: net.free_port() for port in ("9018", "9019", "9020")}
    file = write(tmp_path, "haproxy.cfg", recipe.text("haproxy", places | {
        f"127.0.0.1:{port}": f"127.0.0.1:{free}" for port, free in ports.items()}))
    before = Program([need("haproxy"), "-f", file], ports["9018"])
    for one in (before, gate):
        assert logs_on(one.connect())
        assert logs_on(secure(one.connect()))
    assert {gate.session(rule=rule, seconds=5)["pool"] for rule in finished(gate, "plain", "tls")} == {"fix"}


def finished(gate, *rules):
    """Each rule takes one more client, who leaves again."""
    for rule in rules:
        peer = gate.connect()
        client = secure(peer) if rule == "tls" else peer
        assert logs_on(client)
        client.close()
    return rules


def test_from_nginx(launch, need, tmp_path):
    recipe = Recipe("from-nginx")
    behind = {place: servers.NameServer(name) for place, name in {
        "10.0.0.11:443": "orders", "10.0.0.21:443": "quotes", "10.0.0.22:443": "quotes",
        "10.0.0.31:443": "reports"}.items()}
    gate = launch(recipe.config(behind))
    port = net.free_port()
    module = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"
    main = f"daemon off; master_process off; pid {tmp_path}/pid; error_log stderr; events {{}}\n"
    file = write(tmp_path, "nginx.conf", module + main + recipe.text("nginx", behind | {"127.0.0.1:443": f"127.0.0.1:{port}"}))
    before = Program([need("nginx"), "-p", tmp_path, "-c", file, "-e", "stderr"], port)
    for one in (before, gate):
        for name, expected in (("orders.example.com", b"orders\n"), ("eu.quotes.example.com", b"quotes\n"),
                               ("other.example.com", b"reports\n"), (None, b"reports\n")):
            assert one.connect().send(tls.hello(name)).recv_until(b"\n") == expected
    # What the page says of plain connections.
    assert before.connect().send(b"plain").recv_until(b"\n") == b"reports\n"
    stranger = gate.connect().send(b"plain")
    stranger.expect_closed()
    gate.ended(stranger, "no_rule")


def test_from_sslh(launch, need, tmp_path):
    recipe = Recipe("from-sslh")
    behind = {"22": servers.BannerServer(b"SSH-2.0-server\r\n"), "8443": servers.NameServer("www"),
              "9443": servers.NameServer("other"), "8080": servers.NameServer("http")}
    gate = launch(recipe.config({f"127.0.0.1:{port}": server for port, server in behind.items()}))
    port = net.free_port()
    file = write(tmp_path, "sslh.cfg", recipe.text("sslh", {
        f'"{old}"': f'"{server.port}"' for old, server in behind.items()} | {'"443"': f'"{port}"'}))
    before = Program([need("sslh"), "-f", f"-F{file}"], port)
    for one in (before, gate):
        assert one.connect().send(tls.hello("www.example.com")).recv_until(b"\n") == b"www\n"
        assert one.connect().send(tls.hello("else.example.com")).recv_until(b"\n") == b"other\n"
        assert one.connect().send(b"GET / HTTP/1.1\r\n\r\n").recv_until(b"\n") == b"http\n"
        assert one.connect().send(b"SSH-2.0-me\r\n").recv_until(b"\n") == b"SSH-2.0-server\r\n"
        assert one.connect().recv_until(b"\n") == b"SSH-2.0-server\r\n"  # it said nothing for two seconds


@pytest.mark.parametrize("program", ["stunnel", "hitch"])
def test_from_stunnel(launch, need, tmp_path, pem, program):
    recipe, behind = Recipe("from-stunnel"), servers.Listener()
    gate = launch(recipe.config({"10.0.0.5:9878": behind, "/etc/stunnel/gateway.pem": pem}))
    port = net.free_port()
    places = {"/etc/stunnel/gateway.pem": pem}
    if program == "stunnel":
        places |= {"10.0.0.5:9878": behind, "127.0.0.1:9018": f"127.0.0.1:{port}"}
        arguments = [need("stunnel")]
    else:
        places |= {"[10.0.0.5]:9878": f"[{net.HOST}]:{behind.port}", '"9018"': f'"{port}"'}
        arguments = [need("hitch"), "--user=nobody", "--config"]
    before = Program([*arguments, write(tmp_path, "before.conf", recipe.text(program, places))], port)
    for one in (before, gate):
        client = secure(one.connect()).send(b"8=FIX.4.4\x01")
        server = behind.accept()
        if one is gate or program == "hitch":
            assert proxy.read(server)["source"][0] == net.HOST
        assert server.recv(10) == b"8=FIX.4.4\x01"
        client.close()
    plain = gate.connect().send(fix.logon())
    assert proxy.read(behind.accept())["source"][0] == net.HOST
    plain.close()


# --- what people have behind it ----------------------------------------------------------------

def test_postgresql(launch, authority):
    if postgres.programs() is None:
        (pytest.fail if settings.in_ci() else pytest.skip)("PostgreSQL is not installed")
    database = postgres.Postgres(authority.known("sales.example.com"))
    pair = authority.known("db.example.com")
    gate = launch(Recipe("postgresql").config({
        "10.0.0.41:5432": database.address, "10.0.0.42:5432": database.address,
        "/etc/ssl/db.crt": pair.cert, "/etc/ssl/db.key": pair.key}))
    query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
    for rule, at_the_server, how in (
            ("own-certificate", "t", {"host": "sales.example.com", "sslmode": "verify-full"}),
            ("tls", "f", {"host": "db.example.com", "sslmode": "verify-full"}),
            ("plain-inside", "f", {"sslmode": "disable"})):
        status, out, err = database.psql(gate.port, query, sslrootcert=authority.cert, **how)
        assert (status, out) == (0, at_the_server), err
        gate.session(rule=rule)
    direct = secure(gate.connect(), alpn=["postgresql"])
    direct.close()
    gate.session(rule="direct")


def web(folder, nginx, block) -> tuple:
    """nginx with one server that a recipe shows; and its port."""
    port = net.free_port()
    folder.mkdir()
    text = f"daemon off; master_process off; pid {folder}/pid; error_log stderr; events {{}}\nhttp {{ access_log off;\n"
    text += "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    file = write(folder, "nginx.conf", text + block.replace("10.0.0.51:8443", f"{net.HOST}:{port}") + "}\n")
    return Program([nginx, "-p", folder, "-c", file, "-e", "stderr"], port), port


def test_tls_to_servers(launch, need, tmp_path, authority, pair):
    recipe = Recipe("tls-to-servers")
    ours, theirs = authority.known("client.inside.example.com"), authority.known("app.inside.example.com")
    block = recipe.text("nginx", {"/etc/nginx/app.crt": theirs.cert, "/etc/nginx/app.key": theirs.key,
                                  "/etc/nginx/inside-ca.crt": authority.cert})
    (first, one), (_, two) = (web(tmp_path / name, need("nginx"), block) for name in ("one", "two"))
    gate = launch(recipe.config({
        "10.0.0.51:8443": f"{net.HOST}:{one}", "10.0.0.52:8443": f"{net.HOST}:{two}",
        "/etc/muxgate/gateway.crt": pair.cert, "/etc/muxgate/gateway.key": pair.key,
        "/etc/muxgate/inside-ca.crt": authority.cert, "/etc/muxgate/client.crt": ours.cert,
        "/etc/muxgate/client.key": ours.key}))
    expected = "127.0.0.4 app.inside.example.com SUCCESS CN=client.inside.example.com\n"
    for rule in ("tls", "plain-inside"):
        peer = gate.connect(source="127.0.0.4")
        client = secure(peer) if rule == "tls" else peer
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert client.recv_all().decode().endswith("\r\n\r\n" + expected)
        client.close()
        assert gate.session(rule=rule)["server"] in (f"{net.HOST}:{one}", f"{net.HOST}:{two}")
    first.close()
    gate.event("server.down", f"server={net.HOST}:{one}", seconds=15)


class SshServer:
    """Debian's sshd with a host key of its own, as far as the key exchange."""

    def __init__(self, folder, sshd):
        key = folder / "host_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, stdin=subprocess.DEVNULL)
        self.key = key.with_suffix(".pub").read_text().split()[1]
        port = net.free_port()
        file = write(folder, "sshd_config", f"ListenAddress {net.HOST}:{port}\nHostKey {key}\nPidFile none\nUsePAM no\n")
        subprocess.run(["mkdir", "-p", "/run/sshd"], check=True)
        self.program = Program([sshd, "-D", "-e", "-f", file], port)
        self.address = f"{net.HOST}:{port}"


def test_ssh_and_https(launch, need, tmp_path, authority):
    ssh, https = SshServer(tmp_path, need("sshd")), servers.TlsEchoServer(authority.known("www.example.com"))
    gate = launch(Recipe("ssh-and-https").config({"127.0.0.1:22": ssh.address, "127.0.0.1:8443": https}))
    known = tmp_path / "known_hosts"
    subprocess.run([need("ssh"), "-F", "none", "-p", str(gate.port), "-o", "BatchMode=yes", "-o",
                    "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={known}", f"nobody@{net.HOST}", "true"],
                   capture_output=True, stdin=subprocess.DEVNULL, timeout=settings.seconds(20))
    assert ssh.key in known.read_text()
    assert gate.session(protocol="ssh")["rule"] == "ssh"
    # This one waits for the server's version before it says its own.
    scan = subprocess.run([need("ssh-keyscan"), "-t", "ed25519", "-p", str(gate.port), net.HOST], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=settings.seconds(20))
    assert ssh.key in scan.stdout, scan.stderr
    assert gate.session(protocol="silent")["rule"] == "ssh-that-waits"
    tls.TlsPeer(gate.connect(), tls.client_context(authority.cert), name="www.example.com").echo(b"https")


def test_behind_a_load_balancer(launch, pair):
    recipe, server = Recipe("behind-a-load-balancer"), servers.Listener()
    gate = launch(recipe.config({"10.0.0.0/16": "127.0.0.2/32", "10.0.2.5:9878": server,
                                 "/etc/muxgate/gateway.crt": pair.cert, "/etc/muxgate/gateway.key": pair.key}))
    endpoint = proxy.tlv(0xEA, b"\x01vpce-08d2bf15fac5001c9")
    header = proxy.v2("198.51.100.7", 40001, "192.0.2.1", 9018, tlvs=endpoint)
    balancer = gate.connect(source="127.0.0.2").send(header + fix.logon())
    told = proxy.read(server.accept())
    assert told["source"] == ("198.51.100.7", 40001)
    assert (0xEA, b"\x01vpce-08d2bf15fac5001c9") in told["tlvs"]
    balancer.close()
    denied = gate.connect(source="127.0.0.2").send(proxy.v2("203.0.113.9", 40002, "192.0.2.1", 9018) + fix.logon())
    denied.expect_closed()
    assert gate.session(client=None, end="denied")["client"].startswith("203.0.113.9")
    pretender = gate.connect().send(header)
    pretender.expect_closed()
    gate.ended(pretender, "bad_proxy_header")
    check = gate.connect(source="127.0.0.2")
    check.close()
    gate.ended(check, "client_closed")


# --- clients that move to TLS -------------------------------------------------------------------

def at(seconds) -> str:
    """A time that lies so far from now."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def test_plain_ends(launch, pem, tmp_path):
    places = {"10.0.0.5:9878": servers.FixServer(), "/etc/muxgate/gateway.pem": pem, "/var/lib/muxgate/ledger": tmp_path / "ledger",
              "/run/muxgate/admin.sock": tmp_path / "admin.sock", "2027-03-31T18:00:00+02:00": at(3600)}
    gate, ctl = launch(Recipe("plain-ends").config(places)), Ctl(tmp_path / "admin.sock")
    for name, over in (("STAYS", False), ("MOVES", False), ("MOVES", True)):
        peer = secure(gate.connect()) if over else gate.connect()
        assert logs_on(peer, name)
        peer.close()
        gate.session(peer)
    assert [(row["COMES"], row["COMPID"]) for row in ctl.table("ledger", "--plain")[:-2]] == [("plain", "STAYS")]
    rows = {row["fix_sender"]: row for row in json.loads(ctl.good("ledger", "--json"))}
    assert rows["MOVES"]["first_tls"] > rows["MOVES"]["first_plain"] and rows["MOVES"]["comes"] == "tls"
    logon = tmp_path / "logon"
    logon.write_bytes(fix.logon("STAYS"))
    for when, status in ((at(60), 0), (at(7200), 3)):
        told = run("-c", gate.file, "explain", "--listener", "orders", "--bytes", logon, "--at", when)
        assert told.returncode == status, told
    assert run("-c", gate.file, "-t", "--at", at(7200)).returncode == 0


def test_the_day_after_plain_has_ended(launch, pem, tmp_path):
    places = {"10.0.0.5:9878": servers.FixServer(), "/etc/muxgate/gateway.pem": pem, "/var/lib/muxgate/ledger": tmp_path / "ledger",
              "/run/muxgate/admin.sock": tmp_path / "admin.sock", "2027-03-31T18:00:00+02:00": at(-3600)}
    gate, ctl = launch(Recipe("plain-ends").config(places)), Ctl(tmp_path / "admin.sock")
    peer = gate.connect().send(fix.logon("STAYS"))
    gate.ended(peer, "no_rule")
    peer.close()
    assert logs_on(secure(gate.connect()), "MOVES")
    (row,) = ctl.table("unknown")
    assert row["COUNT"] == "1" and row["SUGGESTED"] == '{"match":{"fix":{"SenderCompID":"STAYS"}},"pool":"fix"}'
