"""Subjects: what is measured. Each stands on one port in front of the same plain backend; TLS and
plain clients share the port, and TLS is terminated. Every one runs with its own defaults; beyond
them only what the arrangement itself needs is set."""

import dataclasses
import json
import pathlib
import random
import re
import shutil
import socket
import subprocess
import time

from . import process
from .process import BenchError

# Below the range that the kernel takes clients' ports from, so that none is taken in between.
PORTS = range(12000, 32000)
START_SECONDS = 30.0  # ten thousand certificates have to be read


@dataclasses.dataclass
class Setting:
    """What all subjects of a run have in common."""

    folder: pathlib.Path  # a throw-away folder
    cert: pathlib.Path
    key: pathlib.Path
    backend_port: int
    workers: int
    log: bool
    cpus: tuple
    make_certificates: str  # a program: FOLDER COUNT
    many: int  # how many rules or certificates those subjects have that are to have many


@dataclasses.dataclass
class Kind:
    """How one program is configured and asked for its version."""

    configure: callable  # (program, setting, folder, port) -> argv
    version: tuple  # arguments that print it
    peer: bool = False
    probe: callable = None  # raises BenchError where a part of the program is missing
    plain_only: bool = False


def free_port():
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise BenchError("no free port")


def make_certificate(folder):
    """An ECDSA P-256 key and a certificate for it, and both in one file for HAProxy."""
    cert, key = folder / "gateway.crt", folder / "gateway.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-days", "2", "-subj", "/CN=bench.test",
               "-addext", "subjectAltName=DNS:bench.test",
               "-keyout", str(key), "-out", str(cert)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise BenchError(f"openssl req: {made.stderr.strip()}")
    (folder / "gateway.pem").write_bytes(cert.read_bytes() + key.read_bytes())
    key.chmod(0o600)
    return cert, key


def _bare(program, setting, _folder, port, extra=()):
    return [program, "--listen", str(port), "--server", str(setting.backend_port),
            "--cert", str(setting.cert), "--key", str(setting.key),
            "--workers", str(setting.workers), *extra]


def _bare_splice(program, setting, folder, port):
    return _bare(program, setting, folder, port, ["--splice"])


def _muxgate(program, setting, folder, port, rules=(), certificates=()):
    """`rules` and `certificates` stand before the ones that the benchmark's clients ask for."""
    document = {
        "listeners": {"combined": {
            "bind": f"127.0.0.1:{port}",
            "inspect_delay": "2s",
            "tls": {"certificates": [*certificates,
                                     {"cert": str(setting.cert), "key": str(setting.key)}]},
            "rules": [*rules, {"tls": "terminate", "pool": "servers"}, {"pool": "servers"}],
        }},
        "pools": {"servers": {"servers": [f"127.0.0.1:{setting.backend_port}"]}},
        "workers": setting.workers,
        "log": {"access": str(folder / "access.log") if setting.log else "off"},
    }
    path = folder / "muxgate.json"
    path.write_text(json.dumps(document, indent=2), encoding="utf-8")
    return [program, "-c", str(path)]


def _muxgate_rules(program, setting, folder, port):
    """Half of them ask for a TLS client's name, half for what a plain client says of itself."""
    rules = []
    for number in range(setting.many // 2):
        rules.append({"match": {"sni": f"host{number}.example.net"}, "tls": "terminate",
                      "pool": "servers"})
        rules.append({"match": {"fix": {"SenderCompID": f"FIRM{number}"}}, "pool": "servers"})
    return _muxgate(program, setting, folder, port, rules=rules)


def _muxgate_certs(program, setting, folder, port):
    certificates = folder / "certificates"
    certificates.mkdir()
    made = subprocess.run([setting.make_certificates, str(certificates), str(setting.many)],
                          capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise BenchError(made.stderr.strip())
    return _muxgate(program, setting, folder, port,
                    certificates=[{"directory": str(certificates)}])


HAPROXY = """\
global
    nbthread {workers}
    maxconn 4500
    {log_to}
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    {log_use}
frontend combined
    bind 127.0.0.1:{port}
    tcp-request inspect-delay 2s
    tcp-request content accept if {{ req.ssl_hello_type 1 }}
    use_backend to_tls if {{ req.ssl_hello_type 1 }}
    default_backend {plain}
backend to_tls
    server tls abns@{name}.tls
frontend tls
    bind abns@{name}.tls ssl crt {pem}
    default_backend servers
backend servers
    server one 127.0.0.1:{backend}
"""

# The same with a loopback frontend for plain clients too, as those have it who want rules and logs
# of their own for each half: one more hop.
HAPROXY_PLAIN_HOP = """\
backend to_plain
    server plain abns@{name}.plain
frontend plain
    bind abns@{name}.plain
    default_backend servers
"""


def _haproxy(program, setting, folder, port, plain="servers", more=""):
    values = {
        "workers": setting.workers, "port": port, "plain": plain, "name": f"bench.{port}",
        "pem": setting.cert.with_suffix(".pem"), "backend": setting.backend_port,
        "log_to": "log stderr format raw local0" if setting.log else "",
        "log_use": "log global\n    option tcplog" if setting.log else "",
    }
    path = folder / "haproxy.cfg"
    path.write_text((HAPROXY + more).format(**values), encoding="utf-8")
    return [program, "-db", "-f", str(path)]


def _haproxy_chain(program, setting, folder, port):
    return _haproxy(program, setting, folder, port, "to_plain", HAPROXY_PLAIN_HOP)


NGINX = """\
{module}
{user}
daemon off;
worker_processes {workers};
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 18000; }}
stream {{
    {log}
    map $ssl_preread_protocol $target {{ "" {plain}; default {tls}; }}
    upstream servers {{ server 127.0.0.1:{backend}; }}
    upstream to_tls {{ server unix:{folder}/tls.sock; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096{reuseport};
        ssl_preread on;
        preread_timeout 2s;
        proxy_timeout 1h;
        {first}
    }}
    server {{
        listen {inner} ssl;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        proxy_timeout 1h;
        proxy_pass servers;
    }}
{more}}}
"""

# Since 1.25.5 a connection can be handed to another server block of the same process.
NGINX_PASS_PLAIN = """\
    server {{
        listen 127.0.0.1:{plain_port};
        proxy_timeout 1h;
        proxy_pass servers;
    }}
"""


def _nginx_module(program):
    """The line that loads the stream module, where it was built as one of its own."""
    told = subprocess.run([program, "-V"], capture_output=True, text=True, check=False).stderr
    if "--with-stream=dynamic" not in told:
        return ""
    stated = re.search(r"--modules-path=(\S+)", told)
    folder = pathlib.Path(stated.group(1) if stated else "/usr/lib/nginx/modules")
    module = folder / "ngx_stream_module.so"
    if not module.exists():
        raise BenchError(f"{module} is missing (Debian: libnginx-mod-stream)")
    return f"load_module {module};"


def _nginx_values(program, setting, folder, port):
    log = ""
    if setting.log:
        log = ("log_format session '$remote_addr [$time_iso8601] $status $bytes_sent "
               f"$session_time'; access_log {folder}/access.log session;")
    return {
        "module": _nginx_module(program), "workers": setting.workers, "folder": folder,
        "port": port, "backend": setting.backend_port, "cert": setting.cert, "key": setting.key,
        "reuseport": " reuseport" if setting.workers > 1 else "", "log": log,
        # Root's workers would become nobody, who cannot enter the throw-away folder.
        "user": "user root;" if folder.owner() == "root" else "",
    }


def _nginx(program, setting, folder, port):
    values = _nginx_values(program, setting, folder, port)
    values |= {"plain": "servers", "tls": "to_tls", "first": "proxy_pass $target;",
               "inner": f"unix:{folder}/tls.sock", "more": ""}
    return _nginx_argv(program, folder, NGINX.format(**values))


def _nginx_pass(program, setting, folder, port):
    values = _nginx_values(program, setting, folder, port)
    plain_port, tls_port = free_port(), free_port()
    values |= {"plain": f"127.0.0.1:{plain_port}", "tls": f"127.0.0.1:{tls_port}",
               "first": "pass $target;", "inner": f"127.0.0.1:{tls_port}",
               "more": NGINX_PASS_PLAIN.format(plain_port=plain_port)}
    return _nginx_argv(program, folder, NGINX.format(**values))


def _nginx_argv(program, folder, text):
    path = folder / "nginx.conf"
    path.write_text(text, encoding="utf-8")
    return [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(path)]


# The longest name that a subject's name begins with tells its kind.
KINDS = {
    "bare-splice": Kind(_bare_splice, (), plain_only=True),
    "bare": Kind(_bare, ()),
    "muxgate": Kind(_muxgate, ("-V",)),
    "muxgate-rules": Kind(_muxgate_rules, ("-V",)),
    "muxgate-certs": Kind(_muxgate_certs, ("-V",)),
    "haproxy-chain": Kind(_haproxy_chain, ("-v",), peer=True),
    "haproxy": Kind(_haproxy, ("-v",), peer=True),
    "nginx-pass": Kind(_nginx_pass, ("-v",), peer=True, probe=_nginx_module),
    "nginx": Kind(_nginx, ("-v",), peer=True, probe=_nginx_module),
}


def kind_of(name):
    fitting = [known for known in KINDS if name.startswith(known)]
    if not fitting:
        raise BenchError(f"{name}: the name must begin with one of {', '.join(KINDS)}")
    return KINDS[max(fitting, key=len)]


@dataclasses.dataclass
class Subject:
    """A program that can be started in the common arrangement; program None: a direct connection."""

    name: str
    program: str | None

    @property
    def kind(self):
        return kind_of(self.name)

    @property
    def is_direct(self):
        return self.program is None

    def version(self):
        if self.is_direct or not self.kind.version:
            return ""
        told = subprocess.run([self.program, *self.kind.version], capture_output=True, text=True,
                              check=False)
        return (told.stdout + told.stderr).strip().split("\n")[0]

    def missing(self):
        """Why it cannot be measured here; None when it can."""
        if self.is_direct:
            return None
        if shutil.which(self.program) is None:
            return f"{self.program} is not there"
        try:
            if self.kind.probe:
                self.kind.probe(self.program)
        except BenchError as error:
            return str(error)
        return None


class Running:
    """A started subject."""

    def __init__(self, subject, setting):
        self.subject, self.process, self.pids = subject, None, []
        self.port = setting.backend_port
        if subject.is_direct:
            return
        self.port = free_port()
        folder = setting.folder / f"{subject.name}.{self.port}"
        folder.mkdir()
        argv = subject.kind.configure(subject.program, setting, folder, self.port)
        self.output = folder / "output"
        with self.output.open("wb") as output:
            self.process = process.start(argv, setting.cpus, stdin=subprocess.DEVNULL,
                                         stdout=output, stderr=output)
        try:
            self._await_service()
        except BenchError:
            self.stop()
            raise
        self.pids = process.tree(self.process.pid)

    def _await_service(self):
        deadline = time.monotonic() + START_SECONDS
        while not self._serves():
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = self.output.read_text(errors="replace").strip().split("\n")[-1]
                raise BenchError(f"{self.subject.name} does not serve: {said}")
            time.sleep(0.02)

    def _serves(self):
        message = b"E" + b"probe" * 8
        try:
            with socket.create_connection(("127.0.0.1", self.port), 3.0) as client:
                client.sendall(message)
                return client.recv(len(message), socket.MSG_WAITALL) == message
        except OSError:
            return False

    def cpu_ns(self):
        return process.cpu_ns(self.pids)

    def pss_kb(self):
        return process.pss_kb(self.pids)

    def stop(self):
        if self.process is not None:
            process.stop(self.process)
