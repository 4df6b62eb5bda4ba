"""The soak: random faults for a while, and not a session, byte, count, descriptor or page is lost.

scripts/soak runs it for minutes; in the suite it takes some seconds. SOAK_SEED repeats the choices of
a run (not the moments at which threads make them)."""

import datetime
import os
import random
import shutil
import time

import pytest

from harness import books, certs, settings, storm, wait

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


def config(build, servers, pair, chance):
    """One of many configurations that all serve everyone: the first server is always well."""
    chosen = chance.sample(servers[1:], chance.randrange(1, len(servers)))
    pool = {"servers": [listed(servers[0], chance, True), *(listed(server, chance) for server in chosen)],
            "balance": chance.choice(("round_robin", "least_conn", "random2", "hash")), "connect_timeout": "5s",
            "connect_retries": len(servers) - 1, "health_check": {"interval": "200ms", "fall": 2, "rise": 1},
            "queue": {"timeout": "60s"}, **chance.choice(({}, {"slow_start": "2s"}))}
    return build(pools={"app": pool}, tls={"certificates": [pair]}, inspect_delay="2s", admin=True,
                 timeouts={"handshake": "5s", "idle": "60s", "half_closed": "20s"}, top={"workers": 3},
                 limits={"max_sessions": 5000, "max_sessions_per_source": 5000, "max_handshakes": 4})


class Weather:
    """What goes wrong from outside, a few things a second."""

    def __init__(self, chance, gate, servers, reload, renew):
        self.chance, self.gate, self.servers = chance, gate, servers
        self.reload, self.renew = reload, renew
        self.count = {}

    def strike(self):
        what = self.chance.choice(("mood", "mood", "mood", "mood", "set", "reload", "renew"))
        server = self.chance.choice(self.servers[1:])
        if what == "mood":
            what = self.chance.choice(server.MOODS)
            server.set_mood(what)
        elif what == "set":
            what = self.set_by_hand(server)
        else:
            (self.reload if what == "reload" else self.renew)()
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


def by_client(gate) -> dict:
    lines = {}
    for line in gate.sessions():
        lines.setdefault(line.get("client"), []).append(line)
    return lines


@pytest.mark.seconds(SECONDS + 120)
def test_faults_on_all_sides_cost_nothing_that_could_be_saved(launch, build, tmp_path, authority):
    print(f"SOAK_SEED={SEED} SOAK_SECONDS={SECONDS:g}")
    chance = random.Random(SEED)
    servers = [storm.MoodyServer() for _ in range(4)]
    pairs = [authority.issue(storm.NAME) for _ in range(3)]
    live = certs.copy(pairs[0], tmp_path / "live")
    gate = launch(config(build, servers, live, chance))

    def renew():
        fresh = chance.choice(pairs)
        shutil.copy(fresh.key, live.key)  # for a moment the pair does not fit
        shutil.copy(fresh.cert, live.cert)
    weather = Weather(chance, gate, servers, lambda: gate.reload(config(build, servers, live, chance)), renew)
    crowd = storm.Crowd(gate, chance, 12)
    warm = books.memory(gate.pid)
    end, middle = time.monotonic() + SECONDS, time.monotonic() + SECONDS / 2
    while time.monotonic() < end:
        time.sleep(0.1 + chance.random() * 0.3)
        weather.strike()
        if time.monotonic() < middle:
            warm = max(warm, books.memory(gate.pid))
    weather.clear()
    crowd.stop(60)

    lines = by_client(gate)
    print(f"{crowd.done} conversations, {crowd.rude} rude clients, {len(crowd.lost)} cut, {weather.count}")
    assert not crowd.wrong and not any(server.wrong for server in servers), crowd.wrong + [s.wrong for s in servers]
    unexcused = [lost for lost in crowd.lost if not is_excused(lost, lines, servers)]
    assert not unexcused, [(lost, lines.get(lost[0])) for lost in unexcused[:5]]
    assert crowd.done > SECONDS * 2, "hardly anything happened"
    assert not [line for of in lines.values() for line in of if line["end"] in ("internal", "limit")]
    gate.settle()
    wait.until(lambda: books.memory(gate.pid) <= warm + (8 << 20) * max(1, settings.slow()), "memory is back", 10)
