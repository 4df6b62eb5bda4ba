"""The gateway as a process: its configuration, its ports, what it writes, and its end."""

import copy
import json
import os
import signal
import subprocess
import threading
from pathlib import Path

from . import books, cleanup, net, settings, wait
from .admin import Admin

TERM = signal.SIGTERM
SANITIZER_WORDS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:", "MemorySanitizer")


class Lines:
    """Lines of a pipe, collected by a thread; one can wait for one."""

    def __init__(self, stream=None):
        self.items = []
        self.changed = threading.Condition()
        self.ended = stream is None
        if stream is not None:
            self.thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
            self.thread.start()

    def _read(self, stream):
        for raw in stream:
            with self.changed:
                self.items.append(raw.decode("utf-8", "surrogateescape").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def find(self, check, seconds, start=0):
        """The first line from number `start` on for which check(line) is true; None at the deadline."""
        deadline = wait.Deadline(seconds)
        at = start
        with self.changed:
            while True:
                while at < len(self.items):
                    at += 1
                    if check(self.items[at - 1]):
                        return self.items[at - 1]
                if self.ended or deadline.over():
                    return None
                self.changed.wait(deadline.left())

    def count(self) -> int:
        with self.changed:
            return len(self.items)


class StartError(Exception):
    """The gateway ended before it was ready."""

    def __init__(self, status, stderr):
        super().__init__(f"exit status {status}: {stderr}")
        self.status, self.stderr = status, stderr


def environment() -> dict:
    """For the program: sanitizers that keep little memory back, as some tests measure it."""
    env = dict(os.environ)
    for name, more in (("ASAN_OPTIONS", "detect_leaks=1:quarantine_size_mb=2"), ("UBSAN_OPTIONS", "print_stacktrace=1")):
        env[name] = ":".join(filter(None, (env.get(name), more)))
    return env


def run(*args, seconds: float = 20.0, wrapper=(), input="", **kwargs) -> subprocess.CompletedProcess:
    """Runs the program to its end, for -t, -V and errors at start."""
    return subprocess.run([*wrapper, settings.binary(), *map(str, args)], capture_output=True, text=True, env=environment(),
                          input=input, timeout=settings.seconds(seconds), **kwargs)


def substitute(value, ports: dict):
    """"@NAME" in any string stands for that port."""
    if isinstance(value, dict):
        return {key: substitute(item, ports) for key, item in value.items()}
    if isinstance(value, list):
        return [substitute(item, ports) for item in value]
    if isinstance(value, str) and "@" in value:
        for name, port in ports.items():
            value = value.replace("@" + name, str(port))
    return value


class Gate:
    """One running muxgate.

    `config` is the configuration; a listener without "bind" gets 127.0.0.1 and a free port, and
    "@LISTENER" in a bind is replaced by its port. `args` instead of `config` runs the program as
    they say, "@one" being a free port."""

    def __init__(self, folder: Path, config: dict = None, args=None, wrapper=(), stdout=subprocess.PIPE,
                 wait_ready=True, env=None, check_books=True):
        self.folder, self.template, self.args_template = Path(folder), config, args
        self.wrapper, self.stdout, self.check_books = list(wrapper), stdout, check_books
        self.extra_env = env or {}
        self.file = self.folder / "gate.json"
        self.process, self.stopped = None, False
        self.access, self.events = Lines(), Lines()
        for attempt in range(5):
            self._choose_ports()
            self._spawn()
            if not wait_ready:
                break
            try:
                self._wait_ready()
                break
            except StartError as error:
                taken = "in use" in error.stderr.lower()
                if attempt == 4 or not taken:
                    raise
        cleanup.remember(self)

    # --- start ---------------------------------------------------------------------------------

    def _choose_ports(self):
        names = list(self.template["listeners"]) if self.template else ["one"]
        self.ports = {name: net.free_port() for name in names}
        self.port = self.ports[names[0]]
        if self.template and "admin" in self.template:
            while self.ports.setdefault("admin", net.free_port()) in [self.ports[name] for name in names]:
                del self.ports["admin"]
        if self.template:
            self.write(self.template)

    def effective(self, template: dict) -> dict:
        """The configuration as it is written to the file."""
        config = copy.deepcopy(template)
        for name, listener in config["listeners"].items():
            if name not in self.ports:
                self.ports[name] = net.free_port()
            listener.setdefault("bind", f"127.0.0.1:@{name}")
        return substitute(config, dict(sorted(self.ports.items(), key=lambda item: -len(item[0]))))

    def write(self, template: dict):
        """Replaces the file whole, as an editor does."""
        temporary = self.file.with_suffix(".new")
        temporary.write_text(json.dumps(self.effective(template), indent=2) + "\n")
        temporary.replace(self.file)

    def write_text(self, text: str):
        self.file.write_text(text)

    def _spawn(self):
        args = ["-c", str(self.file)] if self.args_template is None else substitute(list(self.args_template), self.ports)
        self.command = [*self.wrapper, settings.binary(), *args]
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.stdout,
                                        stderr=subprocess.PIPE, env={**environment(), **self.extra_env})
        self.pid = self.process.pid
        self.access = Lines(self.process.stdout)
        self.events = Lines(self.process.stderr)

    def _wait_ready(self):
        line = self.events.find(lambda text: text.startswith("muxgate.ready"), 20)
        if line is None:
            if self.process.poll() is None and not self.events.ended:
                self.process.kill()
            status = self.process.wait()
            self.events.thread.join(5)
            raise StartError(status, "\n".join(self.events.items))
        self.ready_line = line
        if settings.defers_signals():  # and was seen to lose one that came before its first wait
            wait.until(self._waits, "the control thread waits", 5)
        self.rebase()

    def _waits(self):
        with open(f"/proc/{self.pid}/wchan", encoding="ascii") as file:
            return "epoll" in file.read()

    def rebase(self):
        """The books to which the gateway must return begin here."""
        self.base_sockets = books.sockets(self.pid)

    # --- clients -------------------------------------------------------------------------------

    def connect(self, listener: str = None, host: str = net.HOST, **how) -> net.Peer:
        return net.connect((host, self.ports[listener] if listener else self.port), **how)

    @property
    def admin(self) -> Admin:
        """The UNIX socket of the admin interface (admin=True, or "socket": "admin.sock")."""
        return Admin(self.folder / "admin.sock")

    @property
    def admin_http(self) -> Admin:
        """The same over TCP ("http": "127.0.0.1:@admin")."""
        return Admin((net.HOST, self.ports["admin"]))

    # --- what it writes ------------------------------------------------------------------------

    def sessions(self) -> list:
        """The access log so far, parsed."""
        with self.access.changed:
            lines = list(self.access.items)
        return [json.loads(line) for line in lines]

    def session(self, client=None, seconds: float = 5.0, check=None, **fields) -> dict:
        """The session of `client` (a Peer), or the first with these fields; waits for it."""
        if client is not None:
            fields["client"] = client.name

        def matches(line):
            if not all(value in line for value in fields.values() if isinstance(value, str)):
                return False  # far cheaper than to parse
            parsed = json.loads(line)
            return all(parsed.get(k) == v for k, v in fields.items()) and (check is None or check(parsed))
        line = self.access.find(matches, seconds)
        if line is None:
            raise AssertionError(f"no line in the access log with {fields}")
        return json.loads(line)

    def refusals(self, **fields) -> int:
        """How many were refused with these fields: single lines, and folded ones by their number."""
        return sum(line.get("repeated", 1) for line in self.sessions()
                   if all(line.get(key) == value for key, value in fields.items()))

    def ended(self, client, end: str, seconds: float = 5.0, **fields) -> dict:
        """The session of `client`, which must have ended so, with these other fields."""
        line = self.session(client, seconds)
        found = {key: line.get(key) for key in fields} | {"end": line["end"]}
        assert found == {**fields, "end": end}, f"{line}"
        return line

    def event(self, *words: str, seconds: float = 5.0, start: int = 0) -> str:
        """A line on stderr that holds all these words, from line number `start` on."""
        line = self.events.find(lambda text: all(word in text for word in words), seconds, start)
        assert line is not None, f"no line on stderr with {words}"
        return line

    def events_with(self, *words: str, start: int = 0) -> list:
        with self.events.changed:
            return [line for line in self.events.items[start:] if all(word in line for word in words)]

    # --- signals and the end -------------------------------------------------------------------

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self, template: dict = None):
        """HUP, after writing the new configuration. The caller waits for what should change."""
        if template is not None:
            self.write(template)
        self.signal(signal.SIGHUP)

    def wait_exit(self, seconds: float = 10.0) -> int:
        try:
            status = self.process.wait(settings.seconds(seconds))
        except subprocess.TimeoutExpired:
            raise AssertionError("the gateway did not end") from None
        self.stopped = True
        return status

    def settle(self, seconds: float = 5.0):
        """Every socket of a session is given back, and pipes are not piled up."""
        try:
            wait.until(lambda: books.sockets(self.pid) <= self.base_sockets, "sockets are given back", seconds)
        except AssertionError:
            raise AssertionError(f"sockets left open: {books.sockets(self.pid)}, at start {self.base_sockets}") from None
        assert books.pipes(self.pid) <= 600, "pipes pile up"

    def stop(self, number=TERM):
        """Books, then TERM, then a clean end."""
        if self.stopped:
            self.check_output()
            return
        assert self.process.poll() is None, f"the gateway ended by itself: {self.process.returncode}"
        if self.check_books:
            self.settle()
        self.signal(number)
        status = self.wait_exit()
        self.check_output()
        assert status == 0, f"exit status {status}"

    def check_output(self):
        self.events.thread.join(5)
        bad = [line for line in self.events.items if any(word in line for word in SANITIZER_WORDS)]
        # Every counter must be back at zero when the last session is gone, whatever the test did.
        bad += [line for line in self.events.items if line.startswith("muxgate.books")]
        assert not bad, "\n".join(self.events.items)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                self._join_readers()
                stream.close()

    def _join_readers(self):
        for lines in (self.access, self.events):
            if hasattr(lines, "thread"):
                lines.thread.join(2)

    def report(self) -> str:
        """What a person needs to see when a test has failed."""
        config = self.file.read_text() if self.file.exists() else ""
        status = self.process.poll()
        with self.events.changed:
            events = "\n".join(self.events.items[-200:])
        with self.access.changed:
            access = "\n".join(self.access.items[-60:])
        return (f"command: {' '.join(self.command)}\nstatus: {'runs' if status is None else status}\n"
                f"--- configuration\n{config}\n--- stderr\n{events}\n--- access log\n{access}\n")

