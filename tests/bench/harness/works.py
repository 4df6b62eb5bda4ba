"""Works: what a subject is asked to do, and how one run of it is taken."""

import contextlib
import dataclasses
import json
import subprocess
import time

from . import process, syscalls
from .process import BenchError
from .subjects import Running

SETTLE_SECONDS = 0.03  # for the last connections' close to be through
IDLE_WARM = 100
STORM_FOREVER = 1_000_000_000
QUICK_SESSIONS = 64
STORM_LEAD_SECONDS = 0.3


@dataclasses.dataclass(frozen=True)
class Work:
    """One row of the result. `arguments` go to bench_load; `count` is its --count."""

    name: str
    title: str
    unit: str  # what the compared figure is given in
    arguments: tuple
    count: int
    quick_count: int
    figure: str = "cpu_us"  # the key of a run that is compared
    per_unit: int = 1  # so many of `unit` are in one unit of bench_load
    take: str = "steady"
    crowd: int = 0  # idle sessions that are open meanwhile
    group: str = "standard"  # what a run without --work does; others by the group's name

    @property
    def tls(self):
        return "--tls" in self.arguments

    @property
    def resumes(self):
        return "--resume" in self.arguments

    def quick(self):
        """The same for a smoke test: few units, and few sessions."""
        arguments = list(self.arguments)
        if "--sessions" in arguments:
            at = arguments.index("--sessions") + 1
            arguments[at] = str(min(int(arguments[at]), QUICK_SESSIONS))
        return dataclasses.replace(self, arguments=tuple(arguments), count=self.quick_count,
                                   crowd=min(self.crowd, QUICK_SESSIONS))

    def fits(self, subject):
        """Direct connections have no gateway whose processor time could be taken."""
        if subject.is_direct:
            return not self.tls and self.figure in ("p50_us", "p99_us") and self.take == "steady"
        if subject.kind.plain_only:
            return self.name in ("download-plain", "upload-plain")
        if subject.kind.peer and self.group == "scale":
            return False  # four descriptors a session: the limit would be met, not the program
        return True


def _bulk(name, title, *arguments):
    return Work(name, title, "µs of CPU per MB",
                ("bulk", "--sessions", "1", "--megabytes", "16", *arguments), 24, 1, per_unit=16)


SOURCES = ("--sources", "16")  # of many sessions: one address has 28,000 ports


def _scale(sessions):
    """What a message costs where so many sessions send, and a connection where so many idle."""
    many = f"{sessions:,}"
    everyone = ("echo", "--sessions", str(sessions), *SOURCES)
    return (
        Work(f"scale-echo-{sessions}", f"120-byte round trip, plain, {many} sessions", "µs of CPU",
             everyone, 60000, 640, group="scale"),
        Work(f"scale-echo-tls-{sessions}", f"120-byte round trip, TLS, {many} sessions",
             "µs of CPU", (*everyone, "--tls"), 60000, 640, group="scale"),
        Work(f"scale-connect-{sessions}", f"new plain connection + echo beside {many} idle ones",
             "µs of CPU", ("connect", "--sessions", "16"), 4000, 40, crowd=sessions, group="scale"),
    )


WORKS = (
    Work("connect-plain", "new plain connection + 120-byte echo", "µs of CPU",
         ("connect", "--sessions", "16"), 4000, 40),
    Work("connect-tls", "new TLS 1.3 connection, full handshake", "µs of CPU",
         ("connect", "--sessions", "16", "--tls"), 1200, 20),
    Work("connect-resumed", "new TLS 1.3 connection, resumed", "µs of CPU",
         ("connect", "--sessions", "16", "--tls", "--resume"), 1200, 20),
    Work("echo-plain", "120-byte round trip, plain, 64 sessions", "µs of CPU",
         ("echo", "--sessions", "64"), 30000, 640),
    Work("echo-tls", "120-byte round trip, TLS, 64 sessions", "µs of CPU",
         ("echo", "--sessions", "64", "--tls"), 25000, 640),
    Work("pingpong-plain", "one plain session's round trip, p50", "µs",
         ("echo", "--sessions", "1"), 8000, 100, figure="p50_us"),
    Work("pingpong-tls", "one TLS session's round trip, p50", "µs",
         ("echo", "--sessions", "1", "--tls"), 8000, 100, figure="p50_us"),
    _bulk("download-plain", "download, plain"),
    _bulk("download-tls", "download, TLS", "--tls"),
    _bulk("upload-plain", "upload, plain", "--upload"),
    _bulk("upload-tls", "upload, TLS", "--upload", "--tls"),
    Work("idle-plain", "idle plain session", "KiB of process memory",
         ("echo",), 1500, 50, figure="kib", take="idle"),
    Work("idle-tls", "idle TLS session", "KiB of process memory",
         ("echo", "--tls"), 1500, 50, figure="kib", take="idle"),
    Work("storm-plain", "p99 of 50 live plain sessions in a handshake storm", "µs",
         ("echo", "--sessions", "50", "--interval-us", "20000"), 5000, 100,
         figure="p99_us", take="storm"),
    Work("storm-tls", "p99 of 50 live TLS sessions in a handshake storm", "µs",
         ("echo", "--sessions", "50", "--interval-us", "20000", "--tls"), 5000, 100,
         figure="p99_us", take="storm"),
    *_scale(2000),
    *_scale(5000),
    *_scale(9000),
    Work("start-time", "from exec to the first connection served", "ms", (), 1, 1,
         figure="start_ms", take="start", group="start"),
    Work("start-memory", "memory once it serves", "MiB of process memory", (), 1, 1,
         figure="start_mib", take="start", group="start"),
)


def named(names):
    """The works of these names and groups; without any, the standard ones."""
    chosen = []
    for name in names or ("standard",):
        found = [work for work in WORKS if name in (work.name, work.group)]
        if not found:
            raise BenchError(f"no work named {name} (there are: {listed()})")
        chosen += found
    return chosen


def listed():
    groups = dict.fromkeys(work.group for work in WORKS)
    return " ".join((*groups, *(work.name for work in WORKS)))


class Load:
    """A bench_load, from its preparation to its result."""

    def __init__(self, bench, port, arguments, count):
        argv = [bench.load_program, *arguments, "--port", str(port), "--count", str(count),
                "--sni", "bench.test"]
        self.what = " ".join(arguments)
        self.process = process.start(argv, bench.load_cpus, stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE)

    def await_ready(self):
        line = process.read_line(self.process, self.what)
        if line != "ready\n":
            raise BenchError(f"{self.what}: {line.strip()}")

    def go(self):
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def result(self):
        return json.loads(process.read_line(self.process, self.what, 120.0))

    def release(self):
        """Its sessions may close; a storm ends and reports."""
        self.process.stdin.close()

    def finish(self):
        self.release()
        if self.process.wait(30) != 0:
            raise BenchError(f"{self.what}: failed with status {self.process.returncode}")

    def abandon(self):
        process.stop(self.process)


def _check(work, result, count):
    """A run counts only if every unit was served, as it was meant to be."""
    where = f"{work.name}: "
    if result["failed"] or result["units"] != count:
        raise BenchError(f"{where}{result['units']} of {count} served, {result['failed']} failed")
    if work.resumes and result["resumed"] != result["handshakes"]:
        raise BenchError(f"{where}{result['resumed']} of {result['handshakes']} were resumed")
    if work.tls and work.arguments[0] == "connect" and not work.resumes and result["resumed"]:
        raise BenchError(f"{where}{result['resumed']} full handshakes were resumed ones")


def _clocks(bench, running, load):
    return (running.cpu_ns(), process.cpu_ns([bench.backend.pid]),
            process.cpu_ns([load.process.pid]))


def _measure(bench, running, load):
    """Lets a prepared load go; its result, with what each party spent on it."""
    before = _clocks(bench, running, load)
    load.go()
    result = load.result()
    time.sleep(SETTLE_SECONDS)
    spent = [after - b for after, b in zip(_clocks(bench, running, load), before)]
    return result | dict(zip(("gateway_ns", "backend_ns", "load_ns"), spent))


@contextlib.contextmanager
def _crowd(bench, running, sessions):
    """So many idle sessions, each of which has had one exchange and has another at the end."""
    if not sessions:
        yield
        return
    load = Load(bench, running.port, ("echo", "--sessions", str(sessions), *SOURCES), sessions)
    try:
        load.await_ready()
        yield
        load.go()
        served = load.result()
        if served["failed"] or served["units"] != sessions:
            raise BenchError(f"of {sessions} idle sessions {served['units']} were still served")
        load.finish()
    finally:
        load.abandon()


def take_steady(bench, work, subject, count):
    running = bench.running(subject)
    with _crowd(bench, running, work.crowd):
        load = Load(bench, running.port, work.arguments, count)
        try:
            load.await_ready()
            run = _measure(bench, running, load)
            load.finish()
        finally:
            load.abandon()
    _check(work, run, count)
    for party in ("gateway", "backend", "load"):
        run[party.replace("gateway", "cpu") + "_us"] = (
            run[f"{party}_ns"] / 1000 / (count * work.per_unit))
    return run


def take_syscalls(bench, work, subject, count):
    """The calls that the subject made for `count` units; the times of such a run mean nothing."""
    running = bench.running(subject)
    load = Load(bench, running.port, work.arguments, count)
    try:
        load.await_ready()
        with syscalls.counted(running.pids, bench.setting.folder) as calls:
            run = _measure(bench, running, load)
        load.finish()
    finally:
        load.abandon()
    _check(work, run, count)
    return run | {"units": count * work.per_unit, "calls": calls}


def take_storm(bench, work, subject, count):
    """Live sessions at a steady pace while others do handshakes as fast as they are let."""
    running = bench.running(subject)
    live = Load(bench, running.port, work.arguments, count)
    storm = Load(bench, running.port, ("connect", "--sessions", "32", "--tls"), STORM_FOREVER)
    try:
        live.await_ready()
        storm.await_ready()
        storm.go()
        time.sleep(STORM_LEAD_SECONDS)
        run = _measure(bench, running, live)
        storm.release()
        stormed = storm.result()
        live.finish()
        storm.finish()
    finally:
        live.abandon()
        storm.abandon()
    _check(work, run, count)
    run["storm_per_second"] = stormed["units"] / stormed["seconds"]
    return run


def take_idle(bench, work, subject, count):
    """Memory that `count` more sessions take, once the first ones have made the gateway ready. A
    fresh process each time: freed memory that a run left behind would hide what the next takes."""
    running = Running(subject, bench.setting)
    loads = []
    try:
        held = []
        for sessions in (IDLE_WARM, count):
            load = Load(bench, running.port, (*work.arguments, "--sessions", str(sessions)),
                        sessions)
            loads.append(load)
            load.await_ready()
            time.sleep(bench.idle_seconds)
            held.append(running.pss_kb())
        run = _measure(bench, running, loads[-1])
        for load in loads:
            load.finish()
    finally:
        for load in loads:
            load.abandon()
        running.stop()
    _check(work, run, count)
    run["kib"] = (held[1] - held[0]) / count
    return run


def take_start(bench, _work, subject, _count):
    began = time.monotonic()
    running = Running(subject, bench.setting)
    try:
        return {"start_ms": (time.monotonic() - began) * 1000,
                "start_mib": running.pss_kb() / 1024}
    finally:
        running.stop()


TAKES = {"steady": take_steady, "storm": take_storm, "idle": take_idle, "start": take_start}
