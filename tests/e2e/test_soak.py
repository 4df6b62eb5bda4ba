"""The soak: random faults for a while, and not a session, byte, count, descriptor or page is lost.

scripts/soak runs it for minutes; in the suite it takes some seconds. SOAK_SEED repeats the choices of
a run (not the moments at which threads make them)."""

import datetime
import json
import os
import random
import shutil
import signal
import time

import pytest

from harness import books, certs, names, net, settings, storm, wait
from test_upgrade import Heir

pytestmark = pytest.mark.tsan
SECONDS = float(os.environ.get("SOAK_SECONDS") or 10)
SEED = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(1 << 32))
EXCUSE = ("server_reset", "server_closed")  # … by a server that did it on purpose at that time


def listed(server, chance, always=False):
    """It may be small, so that clients wait in the queue; all but the first may take no new ones."""
    entry = {"address": server.address, "weight": chance.randrange(1, 4)}
    if chance.random() < 0.5:
        entry["max_sessions"] = chance.choice((2, 4, 8))
    if not always:
        entry["state"] = chance.choice(("ready", "ready", "ready", "drain", "maint"))
    return entry


class NamedServers:
    """Servers that are given by one name, whose addresses change. They are always well."""

    NAME, HOSTS = "some.test", ("127.0.0.11", "127.0.0.12", "127.0.0.13")

    def __init__(self, resolver, chance):
        self.resolver, self.chance = resolver, chance
        self.servers = self._listen()

    def _listen(self):
        for _ in range(20):
            port, servers = net.free_port(), []
            try:
                for host in self.HOSTS:
                    servers.append(storm.MoodyServer(host, port))
                return servers
            except OSError:
                for server in servers:
                    server.close()
        raise RuntimeError("no port that is free everywhere")

    @property
    def address(self):
        return f"{self.NAME}:{self.servers[0].port}"

    def change(self):
        self.resolver.change({self.NAME: self.chance.sample(self.HOSTS, self.chance.randrange(1, len(self.HOSTS) + 1))})


def config(build, servers, named, pair, chance, log):
    """One of many configurations that all serve everyone: the first server is always well."""
    chosen = chance.sample(servers[1:], chance.randrange(1, len(servers)))
    pool = {"servers": [listed(servers[0], chance, True), *(listed(server, chance) for server in [*chosen, named])],
            "resolve": {"servers": [named.resolver.address], "interval": "200ms"},
            "balance": chance.choice(("round_robin", "least_conn", "random2", "hash")), "connect_timeout": "5s",
            "connect_retries": len(servers) - 1, "health_check": {"interval": "200ms", "fall": 2, "rise": 1},
            "queue": {"timeout": "60s"}, **chance.choice(({}, {"slow_start": "2s"}))}
    return build(pools={"app": pool}, tls={"certificates": [pair]}, inspect_delay="2s", admin=True,
                 timeouts={"handshake": "5s", "idle": "60s", "half_closed": "20s"}, top={"workers": 3, "log": {"access": str(log)}},
                 limits={"max_sessions": 5000, "max_sessions_per_source": 5000, "max_handshakes": 4})


class Weather:
    """What goes wrong from outside, a few things a second."""

    def __init__(self, chance, gate, servers, doing):
        self.chance, self.gate, self.servers, self.doing = chance, gate, servers, doing
        self.count = {}

    def choose(self, upgrades: bool) -> str:
        """The first two are certain; of a process that takes over there is one in a few seconds."""
        for what in ("names", "upgrade"):
            if what not in self.count:
                return what
        what = self.chance.choice(("mood", "mood", "mood", "mood", "set", "reload", "renew", "names", "upgrade"))
        return what if upgrades or what != "upgrade" else "mood"

    def strike(self, upgrades: bool):
        what = self.choose(upgrades)
        server = self.chance.choice(self.servers[1:])
        if what == "mood":
            what = self.chance.choice(server.MOODS)
            server.set_mood(what)
        elif what == "set":
            what = self.set_by_hand(server)
        else:
            self.doing[what]()
        self.count[what] = self.count.get(what, 0) + 1

    def set_by_hand(self, server) -> str:
        change = self.chance.choice(({"state": "ready"}, {"state": "drain"}, {"state": "maint"}, {"weight": 5}))
        answer = self.gate.admin.ask("PATCH", f"/v1/pools/app/servers/{server.address}", change)
        assert answer.status in (200, 404), answer.text  # it may not be in the file now
        return next(iter(change)) if answer.status == 200 else "none"

    def clear(self):
        for server in self.servers:
            server.set_mood("well")


def began(line) -> float:
    return datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()


def is_excused(lost, lines, servers) -> bool:
    """Its server cut connections on purpose while it was there."""
    name, begin, failed, _ = lost
    for line in lines.get(name, ()):
        if abs(began(line) - begin) > 2 or line["end"] not in EXCUSE:
            continue
        moody = next((s for s in servers if s.address == line.get("server")), None)
        if moody and any(begin - 0.1 <= moment <= failed + 0.5 for moment in moody.breaks):
            return True
    return False


def by_client(log) -> dict:
    lines = {}
    for line in map(json.loads, log.read_text().splitlines()):
        lines.setdefault(line.get("client"), []).append(line)
    return lines


class Service:
    """The gateway over upgrades: `now` is the process that serves."""

    def __init__(self, gate):
        self.gate, self.now, self.replaced = gate, gate, []

    def upgrade(self):
        seen = self.gate.events.count()
        self.now.signal(signal.SIGUSR2)
        line = self.gate.event("upgrade.done", start=seen, seconds=30)
        self.replaced.append(self.now)
        self.now = Heir(int(line.split("pid=")[1].split()[0]))

    def wait_for_replaced(self):
        """They end by themselves, when their last session has."""
        for process in self.replaced:
            if process is self.gate:
                assert process.wait_exit(30) == 0
            else:
                assert not process.is_alive(settings.seconds(30)), "a replaced process does not end"

    def sample_sockets(self):
        for _ in range(20):
            yield books.sockets(self.now.pid)
            time.sleep(0.05)

    def compare_descriptors(self):
        """Without a session, a process that has seen everything has what a new one has."""
        before = min(self.sample_sockets())  # checks and questions come and go
        self.upgrade()
        self.wait_for_replaced()
        wait.until(lambda: books.sockets(self.now.pid) >= before - 2, "nothing was left open but what is of use", 10)


@pytest.mark.seconds(SECONDS + 180)
def test_faults_on_all_sides_cost_nothing_that_could_be_saved(launch, build, tmp_path, authority, need):
    print(f"SOAK_SEED={SEED} SOAK_SECONDS={SECONDS:g}")
    chance = random.Random(SEED)
    servers = [storm.MoodyServer() for _ in range(4)]
    named = NamedServers(names.NameServer(need("dnsmasq"), tmp_path / "dns", {NamedServers.NAME: [NamedServers.HOSTS[0]]}), chance)
    pairs = [authority.issue(storm.NAME) for _ in range(3)]
    live = certs.copy(pairs[0], tmp_path / "live")

    def another():
        return config(build, servers, named, live, chance, tmp_path / "log")
    gate = launch(another())
    service = Service(gate)

    def renew():
        fresh = chance.choice(pairs)
        shutil.copy(fresh.key, live.key)  # for a moment the pair does not fit
        shutil.copy(fresh.cert, live.cert)

    def reload():
        gate.write(another())
        service.now.signal(signal.SIGHUP)
    weather = Weather(chance, gate, servers, {"reload": reload, "renew": renew, "names": named.change, "upgrade": service.upgrade})
    crowd = storm.Crowd(gate, chance, 12)
    warm = books.memory(gate.pid)
    begin = time.monotonic()
    middle, end = begin + SECONDS / 2, begin + SECONDS
    while time.monotonic() < end:
        time.sleep(0.1 + chance.random() * 0.3)
        # The last process has the rest of the time for itself: what it loses then is not given back by its end.
        weather.strike(upgrades=time.monotonic() < begin + SECONDS / 3)
        if time.monotonic() < middle:
            warm = max(warm, books.memory(service.now.pid))
    weather.clear()
    crowd.stop(60)

    lines = by_client(tmp_path / "log")
    print(f"{crowd.done} conversations, {crowd.rude} rude clients, {len(crowd.lost)} cut, {weather.count}")
    every = [*servers, *named.servers]
    assert not crowd.wrong and not any(server.wrong for server in every), crowd.wrong + [s.wrong for s in every]
    unexcused = [lost for lost in crowd.lost if not is_excused(lost, lines, servers)]
    assert not unexcused, [(lost, lines.get(lost[0])) for lost in unexcused[:5]]
    assert crowd.done > SECONDS * 2, "hardly anything happened"
    assert not [line for of in lines.values() for line in of if line["end"] in ("internal", "limit")]
    assert not [kind for kind in ("reload.refused", "upgrade.refused", "upgrade.lost") if gate.events_with(kind)]
    wait.until(lambda: gate.admin.get("/v1/sessions") == [], "all sessions have ended", 10)
    wait.until(lambda: books.memory(service.now.pid) <= warm + (8 << 20) * max(1, settings.slow()), "memory is back", 10)
    service.compare_descriptors()
    service.now.stop()
    gate.check_output()
