"""Fixtures: the gateway, the certificates, and the bounds that hold for every test."""

import shutil
import signal
import subprocess

import pytest

from harness import certs, cleanup, net, parts, settings
from harness.gate import Gate
from harness.servers import Listener

TEST_SECONDS = 60


def pytest_configure(config):
    config.addinivalue_line("markers", "tsan: touches several threads of the gateway (run under ThreadSanitizer)")
    config.addinivalue_line("markers", "seconds(n): may take so long on a plain build, in place of a minute")
    settings.raise_descriptor_limit()


@pytest.fixture(autouse=True)
def bounded(request):
    """No test takes longer than a minute (on a plain build) unless it is marked, and none leaves anything open."""
    marked = request.node.get_closest_marker("seconds")
    bound = settings.seconds(marked.args[0] if marked else TEST_SECONDS)

    def too_long(*_):
        raise TimeoutError(f"{request.node.name}: over {bound:.0f}s")
    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(int(bound))
    yield
    cleanup.close_all()
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return certs.Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def pair(authority):
    """The gateway's usual certificate."""
    return authority.known("gateway.example.com", "localhost", net.HOST)


@pytest.fixture
def trusting(authority):
    """The keys of a pool's tls that believe in this run's authority."""
    def make(**more):
        return {"ca": str(authority.cert), "sni": "db.example.com"} | more
    return make


def _plain(value):
    """Servers in a configuration stand for their addresses, pairs for their files."""
    if isinstance(value, Listener):
        return value.address
    if isinstance(value, certs.Pair):
        return value.config()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _pool(value):
    """A pool may be given as a server, a list of servers, or whole."""
    if isinstance(value, dict) and "servers" in value:
        return value
    return {"servers": value if isinstance(value, list) else [value]}


@pytest.fixture
def build(pair):
    """build(rules, pools, listener keys…, top={…}) → a configuration with one listener "combined".
    admin=True gives it an admin socket (gate.admin)."""
    def make(rules=None, pools=None, top=None, admin=None, **listener):
        if admin:
            top = {"admin": {"socket": "admin.sock"} if admin is True else admin, **(top or {})}
        rules = rules or [{"tls": "terminate", "pool": "app"}, {"pool": "app"}]
        listener = {"inspect_delay": "5s", "tls": {"certificates": [pair]}, "rules": rules, **listener}
        if listener["tls"] is None:
            del listener["tls"]
        config = {"listeners": {"combined": listener}, "pools": {name: _pool(p) for name, p in pools.items()},
                  "workers": 2, **(top or {})}
        return _plain(config)
    return make


@pytest.fixture
def launch(request, tmp_path):
    """launch(config or args=…) → a running Gate, stopped and checked after the test."""
    gates = request.node.gates = []

    def start(config=None, **how):
        if parts.missing(config):
            pytest.skip(parts.missing(config))
        folder = tmp_path / f"gate{len(gates)}"
        folder.mkdir()
        gate = Gate(folder, _plain(config) if config else None, **how)
        gates.append(gate)
        return gate
    yield start
    if getattr(request.node, "passed", False):
        _close_all_but_gates(gates)
        for gate in gates:
            gate.stop()


def _close_all_but_gates(gates):
    """The test's own ends first, so that the gateway can close its books."""
    for thing in reversed(list(cleanup.opened())):
        if thing not in gates and not getattr(thing, "outlives_gates", False):
            thing.close()


@pytest.fixture
def start(build, launch):
    """start(rules, pools, …) → a running Gate with one listener; see build."""
    def make(rules=None, pools=None, **more):
        how = {key: more.pop(key) for key in ("wrapper", "stdout", "env", "check_books") if key in more}
        return launch(build(rules, pools, **more), **how)
    return make


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call":
        item.passed = report.passed
    if report.failed:
        for number, gate in enumerate(getattr(item, "gates", [])):
            report.sections.append((f"muxgate {number}", gate.report()))


@pytest.fixture
def need():
    """need("nginx") skips where a program of another package is missing (fails in CI)."""
    def check(program):
        found = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
        if not found:
            (pytest.fail if settings.in_ci() else pytest.skip)(f"{program} is not installed")
        return found
    return check


@pytest.fixture
def command():
    """Runs another program to its end and gives (status, stdout, stderr)."""
    def run(*args, data=b"", seconds=20):
        done = subprocess.run(list(map(str, args)), input=data, capture_output=True, timeout=settings.seconds(seconds))
        return done.returncode, done.stdout, done.stderr
    return run
