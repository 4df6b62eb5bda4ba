"""random2 and hash: who gets a session, told beforehand by an independent table."""

import pytest

from harness import fix, net, servers, tls, wait
from harness.maglev import Table
from harness.wait import Stopwatch

pytestmark = pytest.mark.tsan
PLAIN = [{"pool": "app"}]
NAMES = ("a", "b", "c", "d")


def named(pool, **more) -> list:
    """The servers as a configuration lists them, each with its name."""
    return [{"address": server.address, "name": server.name, **more} for server in pool]


def hashed(pool, on, **more) -> dict:
    return {"servers": named(pool), "balance": "hash", "hash_on": on, **more}


def source_key(address: str) -> bytes:
    return bytes(map(int, address.split(".")))


def log_on(peer, sender: str) -> str:
    """The name of the FIX server that answered."""
    assert (answer := fix.read(peer))["35"] == "A" and answer["56"] == sender
    return answer["49"]


def test_a_source_goes_to_the_same_server_over_every_gateway(start):
    pool = [servers.NameServer(name) for name in NAMES]
    one = start(PLAIN, {"app": hashed(pool, "source")}, tls=None, top={"workers": 1})
    two = start(PLAIN, {"app": hashed(pool[::-1], "source")}, tls=None, top={"workers": 3})
    table = Table(dict.fromkeys(NAMES, 1))
    sources = [f"127.0.{number}.{7 * number + 1}" for number in range(24)]
    wanted = [table.find(source_key(source)) for source in sources]
    assert len(set(wanted)) == len(NAMES), "the sources are too few to show anything"
    assert [servers.who(one, source) for source in sources] == wanted
    assert [servers.who(two, source) for source in sources] == wanted
    assert [servers.who(one, source) for source in sources] == wanted


def test_weights_shape_the_table(start):
    pool = [servers.NameServer(name) for name in NAMES[:3]]
    weights = {"a": 8, "b": 1, "c": 0}
    listed = [{**item, "weight": weights[item["name"]]} for item in named(pool)]
    gate = start(PLAIN, {"app": {"servers": listed, "balance": "hash"}}, tls=None)
    table = Table(weights)
    for number in range(30):
        source = f"127.1.{number}.1"
        assert servers.who(gate, source) == table.find(source_key(source))


def test_of_a_server_that_dies_only_its_own_keys_move_and_come_back(start):
    pool = [servers.NameServer(name) for name in NAMES]
    gate = start(PLAIN, {"app": hashed(pool, "source", health_check={"interval": "100ms", "fall": 1, "rise": 1})}, tls=None)
    table = Table(dict.fromkeys(NAMES, 1))
    sources = [f"127.0.{number}.9" for number in range(24)]
    whole = [table.find(source_key(source)) for source in sources]
    without = [table.find(source_key(source), gone="b") for source in sources]
    assert whole.count("b") > 0 and without != whole
    pool[1].kill()
    assert [servers.who(gate, source) for source in sources] == without, "while it still counted as up"
    gate.event("server.down", "server=b")
    assert [servers.who(gate, source) for source in sources] == without
    servers.NameServer("b", port=pool[1].port)
    gate.event("server.up", "server=b")
    assert [servers.who(gate, source) for source in sources] == whole


def test_a_name_goes_to_the_same_server_passed_through_and_terminated(start):
    pool = [servers.Listener() for _ in NAMES]
    listed = [{"address": server.address, "name": name} for server, name in zip(pool, NAMES)]
    rules = [{"match": {"sni": "*.passed.example"}, "tls": "passthrough", "pool": "app"},
             {"tls": "terminate", "pool": "app"}, {"pool": "app"}]
    gate = start(rules, {"app": {"servers": listed, "balance": "hash", "hash_on": "sni"}})
    table = Table(dict.fromkeys(NAMES, 1))
    for number in range(6):
        name = f"n{number}.passed.example"
        gate.connect().send(tls.hello(name.upper()))  # names compare without case
        pool[NAMES.index(table.find(name.encode()))].accept().recv(3)
        name = f"n{number}.ended.example"
        tls.TlsPeer(gate.connect(), name=name).send(b"hello")
        assert pool[NAMES.index(table.find(name.encode()))].accept().recv(5) == b"hello"
    gate.connect().send(b"plain")  # no name: its source
    assert pool[NAMES.index(table.find(source_key(net.HOST)))].accept().recv(5) == b"plain"


@pytest.mark.parametrize("way", ["whole", "dripped", "terminated", "terminated and dripped", "nested"])
def test_a_fix_client_goes_to_the_same_server_however_its_logon_comes(start, way):
    pool = [servers.FixServer(name) for name in NAMES]
    inner = {"rules": [{"match": {"protocol": "fix"}, "pool": "app"}]} if way == "nested" else {"pool": "app"}
    gate = start([{"tls": "terminate", **inner}, {"pool": "app"}], {"app": hashed(pool, "fix.SenderCompID")})
    table = Table(dict.fromkeys(NAMES, 1))
    senders = [f"TRADER{number}" for number in range(8)]
    assert len({table.find(sender.encode()) for sender in senders}) > 2
    for sender in senders:
        peer = gate.connect()
        if way not in ("whole", "dripped"):
            peer = tls.TlsPeer(peer, name="gateway.example.com")
        raw = fix.logon(sender)
        for piece in [raw[at:at + 1] for at in range(len(raw))] if "dripped" in way else [raw]:
            peer.send(piece)
        assert log_on(peer, sender) == table.find(sender.encode())
        peer.close()
        assert gate.session(peer)["fix_sender"] == sender


def test_only_the_comp_id_is_waited_for(start):
    """Not the rest of the Logon, and of another protocol nothing."""
    pool = [servers.Listener() for _ in NAMES]
    listed = [{"address": server.address, "name": name} for server, name in zip(pool, NAMES)]
    gate = start([{"tls": "terminate", "pool": "app"}, {"pool": "app"}],
                 {"app": {"servers": listed, "balance": "hash", "hash_on": "fix.SenderCompID"}})
    table = Table(dict.fromkeys(NAMES, 1))
    raw = fix.logon("TRADER1")
    end = raw.index(b"49=TRADER1\x01") + len(b"49=TRADER1\x01")
    watch = Stopwatch()
    gate.connect().send(raw[:end])
    assert pool[NAMES.index(table.find(b"TRADER1"))].accept().recv(end) == raw[:end]
    by_source = pool[NAMES.index(table.find(source_key(net.HOST)))]
    gate.connect().send(b"G")
    assert by_source.accept().recv(1) == b"G"
    tls.TlsPeer(gate.connect(), name="gateway.example.com").send(b"G")
    assert by_source.accept().recv(1) == b"G"
    assert watch.elapsed() < 4, "the inspect delay (5s) was waited out"


@pytest.mark.parametrize("secured", [False, True])
def test_a_logon_that_stops_short_goes_by_its_source_once_the_delay_is_over(start, secured):
    pool = [servers.Listener() for _ in NAMES]
    listed = [{"address": server.address, "name": name} for server, name in zip(pool, NAMES)]
    gate = start([{"tls": "terminate", "pool": "app"}, {"pool": "app"}], inspect_delay="600ms",
                 pools={"app": {"servers": listed, "balance": "hash", "hash_on": "fix.SenderCompID"}})
    peer = gate.connect()
    if secured:
        peer = tls.TlsPeer(peer, name="gateway.example.com")
    peer.send(b"8=FIX.4.4\x019=")
    by_source = pool[NAMES.index(Table(dict.fromkeys(NAMES, 1)).find(source_key(net.HOST)))]
    assert by_source.accept().recv(12) == b"8=FIX.4.4\x019="


def test_a_terminated_client_that_says_nothing_gets_its_server_after_the_delay(start):
    pool = [servers.BannerServer(name.encode()) for name in NAMES]
    listed = [{"address": server.address, "name": name} for server, name in zip(pool, NAMES)]
    gate = start([{"tls": "terminate", "pool": "app"}], inspect_delay="600ms",
                 pools={"app": {"servers": listed, "balance": "hash", "hash_on": "fix.SenderCompID"}})
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com")
    assert client.recv(1).decode() == Table(dict.fromkeys(NAMES, 1)).find(source_key(net.HOST))
    client.echo(b"then it speaks")


def test_random2_evens_out_over_all_workers(start):
    pool = [servers.NameServer(name) for name in NAMES]
    gate = start(PLAIN, {"app": {"servers": named(pool), "balance": "random2"}}, tls=None, top={"workers": 3})
    for _ in range(60):
        gate.connect().send(b"who").recv(2)
    counts = [server.count for server in pool]
    assert sum(counts) == 60 and max(counts) - min(counts) <= 8, counts


def test_a_reload_keeps_keys_where_they_are(launch, build):
    pool = [servers.NameServer(name) for name in NAMES]
    config = build(PLAIN, {"app": hashed(pool, "source")}, tls=None)
    gate = launch(config)
    table = Table(dict.fromkeys(NAMES, 1))
    sources = [f"127.0.{number}.5" for number in range(16)]
    config["pools"]["app"]["servers"].reverse()
    config["listeners"]["combined"]["rules"][0]["name"] = "after"
    gate.reload(config)
    gate.event("reload.done")
    wait.until(lambda: servers.who(gate) and gate.session(rule="after"), "the new configuration is used", 3)
    assert [servers.who(gate, source) for source in sources] == [table.find(source_key(source)) for source in sources]
