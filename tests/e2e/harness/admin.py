"""What the admin interface says: over its UNIX socket, or over TCP. One connection per request.

A gate that was started with admin=True has one at `gate.admin`: tests read the gateway's own books there."""

import http.client
import json
import re
import socket

from . import settings, wait

LINE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Answer:
    def __init__(self, response, body: bytes):
        self.status, self.headers, self.body = response.status, response.headers, body

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


class _Unix(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Admin:
    """`where`: the socket's path, or (host, port)."""

    def __init__(self, where):
        self.where = where

    def _connection(self):
        timeout = settings.seconds(10)
        if isinstance(self.where, tuple):
            return http.client.HTTPConnection(*self.where, timeout=timeout)
        return _Unix(str(self.where), timeout)

    def ask(self, method: str, path: str, body=None, headers=None) -> Answer:
        connection = self._connection()
        try:
            body = json.dumps(body) if isinstance(body, (dict, list)) else body
            connection.request(method, path, body, {"Connection": "close", **(headers or {})})
            response = connection.getresponse()
            return Answer(response, response.read())
        finally:
            connection.close()

    def get(self, path: str):
        """The document, which must be there."""
        answer = self.ask("GET", path)
        assert answer.status == 200, f"{path}: {answer.status} {answer.text}"
        return answer.json

    # --- the books -----------------------------------------------------------------------------

    def sessions(self) -> list:
        return self.get("/v1/sessions")

    def server(self, pool: str, name: str) -> dict:
        servers = next(p for p in self.get("/v1/pools") if p["name"] == pool)["servers"]
        return next(s for s in servers if s["name"] == str(name))

    def metrics_text(self) -> str:
        answer = self.ask("GET", "/metrics")
        assert answer.status == 200, answer.text
        return answer.text

    def metric(self, metric: str, **labels) -> float:
        """The sum of all lines of this metric (without its muxgate_) that have these labels."""
        total = 0.0
        for line in self.metrics_text().splitlines():
            found = LINE.match(line)
            if not found or found[1] != "muxgate_" + metric:
                continue
            has = dict(LABEL.findall(found[2] or ""))
            if all(has.get(key) == value for key, value in labels.items()):
                total += float(found[3])
        return total

    def until(self, metric: str, value: float, seconds: float = 5.0, **labels):
        """Waits until the metric has this value."""
        wait.until(lambda: self.metric(metric, **labels) == value, f"{metric}{labels} is {value}", seconds)
