"""Certificates that change under live sessions, and the same for the whole configuration."""

import os
import shutil
import signal
import threading
import time

import pytest

from harness import books, certs, net, servers, settings, tls, wait

pytestmark = pytest.mark.tsan

# The promise is "within a second"; the rest is the time a handshake takes on a busy machine.
RENEWED_WITHIN = 1.5


def served(gate, name="site.example.com"):
    client = tls.TlsPeer(gate.connect(), name=name)
    try:
        return client.certificate()
    finally:
        client.close()


def wait_for(gate, pair, seconds=RENEWED_WITHIN):
    wait.until(lambda: served(gate) == pair.der(), "the new certificate is served", seconds, every=0.05)


@pytest.fixture
def renewal(authority):
    """Two pairs for the same name."""
    return authority.issue("site.example.com"), authority.issue("site.example.com")


def in_place(live, new):
    for source, target in ((new.cert, live.cert), (new.key, live.key)):
        target.write_bytes(source.read_bytes())


def by_rename(live, new):
    for source, target in ((new.cert, live.cert), (new.key, live.key)):
        temporary = target.with_suffix(".tmp")
        shutil.copy(source, temporary)
        temporary.rename(target)


def key_first(live, new):
    live.key.write_bytes(new.key.read_bytes())
    time.sleep(0.2)  # half of the pair stays on the disk for a while: this is the case
    live.cert.write_bytes(new.cert.read_bytes())


def cert_first(live, new):
    live.cert.write_bytes(new.cert.read_bytes())
    time.sleep(0.2)
    live.key.write_bytes(new.key.read_bytes())


@pytest.mark.parametrize("how", [in_place, by_rename, key_first, cert_first])
def test_replaced_files_are_served_within_a_second_and_the_old_session_goes_on(start, tmp_path, renewal, how):
    old, new = renewal
    live = certs.copy(old, tmp_path / "live")
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [live]})
    session = tls.TlsPeer(gate.connect(), name="site.example.com")
    session.echo(b"before")
    assert session.certificate() == old.der()
    how(live, new)
    wait_for(gate, new)
    session.echo(b"after")
    session.finish()
    session.expect_close_notify()


def _letsencrypt(folder, old, new):
    """live/site/cert.pem → ../../archive/site/certN.pem, each link swapped by rename."""
    archive, live = folder / "archive", folder / "live"
    first, second = certs.copy(old, archive, "site1"), certs.copy(new, archive, "site2")
    live.mkdir()
    links = certs.Pair(live / "cert.pem", live / "key.pem")

    def point(pair):
        for link, target in ((links.cert, pair.cert), (links.key, pair.key)):
            temporary = link.with_suffix(".new")
            temporary.symlink_to(os.path.relpath(target, live))
            temporary.rename(link)
    point(first)
    return links, lambda: point(second)


def _kubernetes(folder, old, new):
    """mount/site.crt → ..data/site.crt, ..data → ..1, swapped by a rename of ..data."""
    mount = folder / "mount"
    certs.copy(old, mount / "..1")
    certs.copy(new, mount / "..2")
    (mount / "..data").symlink_to("..1")
    links = certs.Pair(mount / "site.crt", mount / "site.key")
    for link in (links.cert, links.key):
        link.symlink_to(f"..data/{link.name}")

    def swap():
        (mount / "..data_tmp").symlink_to("..2")
        (mount / "..data_tmp").rename(mount / "..data")
    return links, swap


def _parent_link(folder, old, new):
    """current → release1, the files below it: the link is not the last part of the path."""
    certs.copy(old, folder / "release1" / "tls")
    certs.copy(new, folder / "release2" / "tls")
    (folder / "current").symlink_to("release1")

    def swap():
        (folder / "next").symlink_to("release2")
        (folder / "next").rename(folder / "current")
    return certs.Pair(folder / "current/tls/site.crt", folder / "current/tls/site.key"), swap


@pytest.mark.parametrize("layout", [_letsencrypt, _kubernetes, _parent_link])
def test_a_symlink_swapped_anywhere_on_the_path_is_seen(start, tmp_path, renewal, layout):
    old, new = renewal
    live, swap = layout(tmp_path, old, new)
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [live]})
    session = tls.TlsPeer(gate.connect(), name="site.example.com")
    assert session.certificate() == old.der()
    swap()
    wait_for(gate, new)
    session.echo(b"the old session goes on")


def test_one_renewal_after_another_is_taken(start, tmp_path, authority):
    live = certs.copy(authority.issue("site.example.com"), tmp_path / "live")
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [live]})
    for how in (in_place, by_rename, in_place, by_rename):
        new = authority.issue("site.example.com")
        how(live, new)
        wait_for(gate, new)


def test_two_names_renew_on_their_own(start, tmp_path, authority):
    one = certs.copy(authority.issue("site.example.com"), tmp_path / "one")
    two = certs.copy(authority.issue("other.example.com"), tmp_path / "two")
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [one, two]})
    new, before = authority.issue("site.example.com"), served(gate, "other.example.com")
    by_rename(one, new)
    wait_for(gate, new)
    assert served(gate, "other.example.com") == before


def test_rules_with_certificates_of_their_own_renew_too(start, tmp_path, renewal, pair):
    old, new = renewal
    live = certs.copy(old, tmp_path / "live")
    gate = start([{"match": {"sni": "site.example.com"}, "tls": "terminate", "policy": {"certificates": [live]},
                   "pool": "app"}, {"tls": "terminate", "pool": "app"}], {"app": servers.EchoServer()})
    by_rename(live, new)
    wait_for(gate, new)


def truncated(pair, new):
    pair.cert.write_bytes(new.cert.read_bytes()[:-200])
    pair.key.write_bytes(new.key.read_bytes())


def wrong_key(pair, new):
    pair.cert.write_bytes(new.cert.read_bytes())


def not_a_certificate(pair, new):
    pair.cert.write_text("this is not a certificate\n")


def empty(pair, new):
    pair.cert.write_bytes(b"")
    pair.key.write_bytes(b"")


def missing(pair, new):
    pair.cert.unlink()


@pytest.mark.parametrize("spoil", [truncated, wrong_key, not_a_certificate, empty, missing])
def test_a_bad_pair_keeps_the_old_one_says_so_once_and_is_tried_again(start, tmp_path, renewal, spoil):
    old, new = renewal
    live = certs.copy(old, tmp_path / "live")
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [live]})
    quiet = gate.events.count()
    spoil(live, new)
    folder = str(live.cert.parent)
    gate.event(folder, seconds=3, start=quiet)
    # The files stay as they are for several looks at them: still one line.
    deadline = wait.Deadline(1.7 / max(1.0, settings.slow()))
    while not deadline.over():
        assert served(gate) == old.der()
        time.sleep(0.1)
    said = gate.events_with(folder, start=quiet)
    assert len(said) == 1, said
    in_place(live, new)
    wait_for(gate, new)


def test_an_expired_certificate_is_refused_as_a_renewal(start, tmp_path, authority):
    old = authority.issue("site.example.com")
    live = certs.copy(old, tmp_path / "live")
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [live]})
    quiet = gate.events.count()
    by_rename(live, authority.issue("site.example.com", days=-1))
    assert "expired" in gate.event(str(live.cert.parent), seconds=3, start=quiet).lower()
    assert served(gate) == old.der()


def test_a_certificate_of_another_name_is_refused_as_a_renewal(start, tmp_path, authority):
    old = authority.issue("site.example.com")
    live = certs.copy(old, tmp_path / "live")
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [live]})
    quiet = gate.events.count()
    by_rename(live, authority.issue("other.example.com"))
    gate.event("no longer holds the name site.example.com", seconds=3, start=quiet)
    assert served(gate) == old.der()


def test_an_expired_certificate_at_start_is_a_warning_and_is_served(start, authority):
    expired = authority.issue("site.example.com", days=-1)
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [expired]})
    assert served(gate) == expired.der()
    assert [line for line in gate.events.items if "warning:" in line and "expired" in line]


def test_watch_false_leaves_files_alone_until_a_reload(start, tmp_path, renewal):
    old, new = renewal
    live = certs.copy(old, tmp_path / "live")
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [live], "watch": False})
    by_rename(live, new)
    deadline = wait.Deadline(1.2 / max(1.0, settings.slow()))
    while not deadline.over():
        assert served(gate) == old.der()
        time.sleep(0.1)
    gate.reload()
    wait_for(gate, new, seconds=3)


def test_renewals_under_traffic_fail_no_handshake(start, tmp_path, authority):
    live = certs.copy(authority.issue("site.example.com"), tmp_path / "live")
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [live]})
    pairs = [authority.issue("site.example.com") for _ in range(5)]
    clients = []
    for pair in pairs:
        by_rename(live, pair)
        for _ in range(10):
            clients.append(tls.TlsPeer(gate.connect(), name="site.example.com"))
            clients[-1].echo(b"never refused")
            clients[-1].close()
    wait_for(gate, pairs[-1])
    for client in clients:
        gate.ended(client, "client_closed")


# --- HUP: the same for the whole configuration ---------------------------------------------------

def test_hup_gives_new_sessions_the_new_rules_and_lets_old_ones_go_on(launch, build):
    one, two = servers.NameServer("one"), servers.NameServer("two")
    gate = launch(build([{"pool": "app"}], {"app": one}, tls=None))
    old = gate.connect().send(b"who")
    assert old.recv(4) == b"one\n"
    gate.reload(build([{"name": "after", "pool": "app"}], {"app": two}, tls=None))

    def answer():
        client = gate.connect().send(b"who")
        try:
            return client.recv(4)
        finally:
            client.close()
    wait.until(lambda: answer() == b"two\n", "the new configuration is used", 3)
    assert old.send(b"who").recv(4) == b"one\n"
    assert [answer() for _ in range(6)] == [b"two\n"] * 6, "a worker was left behind"
    old.close()
    assert gate.session(old)["rule"] == "rules[0]"


BAD = {"a syntax error": '{ "listeners": ', "a dangling pool": None}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_hup_with_a_bad_file_says_why_and_the_old_configuration_runs_on(launch, build, text):
    good = build([{"pool": "app"}], {"app": servers.EchoServer()}, tls=None)
    gate = launch(good)
    old = gate.connect()
    old.echo(b"before")
    quiet = gate.events.count()
    if text is None:
        good["listeners"]["combined"]["rules"][0]["pool"] = "nobody"
        gate.write(good)
    else:
        gate.write_text(text)
    gate.reload()
    line = gate.event(f"{gate.file}:", start=quiet) if text is None else gate.event("gate.json:", start=quiet)
    assert text is not None or 'no pool named "nobody"' in line
    old.echo(b"after")
    gate.connect().echo(b"new sessions, too")
    # A failed reload leaves the next one able to work.
    good["listeners"]["combined"]["rules"][0] = {"name": "mended", "pool": "app"}
    gate.reload(good)

    def mended():
        client = gate.connect()
        client.echo(b"x")
        client.close()
        return gate.session(client)["rule"] == "mended"
    wait.until(mended, "the mended configuration is used", 3)


def test_hup_with_a_bad_certificate_keeps_the_old_configuration(launch, build, tmp_path, renewal):
    old, new = renewal
    gate = launch(build(pools={"app": servers.EchoServer()}, tls={"certificates": [old]}))
    mixed = certs.Pair(new.cert, old.key)
    quiet = gate.events.count()
    gate.reload(build(pools={"app": servers.EchoServer()}, tls={"certificates": [mixed]}))
    gate.event("certificates[0]", start=quiet)
    assert served(gate) == old.der()


def test_a_listener_may_come_and_go_with_a_reload(launch, build):
    config = build([{"pool": "app"}], {"app": servers.EchoServer()}, tls=None)
    gate = launch(config)
    more = {**config, "listeners": {**config["listeners"], "second": dict(config["listeners"]["combined"])}}
    gate.reload(more)

    def second():
        try:
            return gate.connect("second")
        except (ConnectionRefusedError, KeyError):
            return None
    client = wait.until(second, "the second listener answers", 3)
    client.echo(b"on the second port")
    gate.reload(config)

    def gone():
        try:
            gate.connect("second").close()
        except (ConnectionRefusedError, ConnectionResetError):
            return True
        return False
    wait.until(gone, "the second listener is gone", 3)
    client.echo(b"its session goes on")
    gate.connect().echo(b"the first port, too")


def test_many_reloads_cut_no_session_and_leave_no_process(launch, build):
    server = servers.EchoServer()
    gate = launch(build(pools={"app": server}))
    plain = [gate.connect() for _ in range(20)]
    inner = [tls.TlsPeer(gate.connect(), name="gateway.example.com") for _ in range(10)]
    for client in plain + inner:
        client.echo(b"before")
    for turn in range(15):
        gate.reload(build(top={"drain_timeout": f"{turn + 1}m"}, pools={"app": server}))
        client = gate.connect()
        client.echo(b"%d" % turn)
        client.close()
        gate.ended(client, "client_closed")
    for client in plain + inner:
        client.echo(b"after")
    assert books.processes_with(str(gate.file)) == [gate.pid]


def test_reloads_and_renewals_under_traffic_refuse_nobody(launch, build, tmp_path, authority):
    live = certs.copy(authority.issue("site.example.com"), tmp_path / "live")
    config = build(pools={"app": servers.EchoServer()}, tls={"certificates": [live]})
    gate = launch(config)
    stop, failures, served_count = threading.Event(), [], []

    def client(number):
        while not stop.is_set():
            try:
                end = gate.connect()
                if number % 2:
                    end = tls.TlsPeer(end, name="site.example.com")
                end.echo(b"never refused")
                end.close()
                served_count.append(1)
            except Exception as error:
                failures.append(repr(error))
    threads = [threading.Thread(target=client, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for turn in range(20):
        config["listeners"]["combined"]["rules"][1]["name"] = f"turn {turn}"
        gate.reload(config)
        if turn % 4 == 0:
            in_place(live, authority.issue("site.example.com"))
        reached = len(served_count)
        wait.until(lambda: len(served_count) > reached + 10 or failures, "clients go on", 10)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[:5]


def test_several_hups_in_a_row_are_survived(launch, build):
    config = build(pools={"app": servers.EchoServer()})
    gate = launch(config)
    client = gate.connect()
    client.echo(b"before")
    for _ in range(30):
        gate.signal(signal.SIGHUP)
    client.echo(b"after")
    fresh = net.connect((net.HOST, gate.port))
    fresh.echo(b"still here")
