"""openssl s_client, for what Python's ssl has no words for."""

import subprocess

from . import cleanup, wait
from .gate import Lines


class SClient:
    """openssl s_client with a hand on its keyboard."""

    def __init__(self, program, port, *options):
        self.process = subprocess.Popen([program, "s_client", "-connect", f"127.0.0.1:{port}", "-servername",
                                         "gateway.example.com", *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines = Lines(self.process.stdout)
        cleanup.remember(self)

    def say(self, text: bytes):
        self.process.stdin.write(text + b"\n")
        self.process.stdin.flush()

    def hears(self, text: str, times: int = 1):
        def enough():
            return sum(text in line for line in self.lines.items) >= times
        wait.until(enough, f"{text!r} comes back", 10)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.lines.thread.join(2)
        self.process.stdin.close()
        self.process.stdout.close()
