"""muxgatectl, which is built beside the gateway."""

import subprocess
from pathlib import Path

from . import settings
from .gate import environment


def program() -> Path:
    return Path(settings.binary()).with_name("muxgatectl")


class Ctl:
    """Asks one gate; ctl("status") → what it printed, and its exit status."""

    def __init__(self, socket):
        self.socket = Path(socket)

    def command(self, *words) -> list:
        return [str(program()), "-s", str(self.socket), *map(str, words)]

    def __call__(self, *words) -> subprocess.CompletedProcess:
        return run(*self.command(*words)[1:])

    def good(self, *words) -> str:
        """What it prints, which must be all there is to say."""
        done = self(*words)
        assert (done.returncode, done.stderr) == (0, ""), f"{words}: {done}"
        return done.stdout

    def table(self, *words) -> list:
        """The rows of a table, as {title: cell}; cells must have no blank in them but in the last column."""
        titles, *rows = [line for line in self.good(*words).splitlines()]
        starts = titles.split()
        return [dict(zip(starts, row.split(None, len(starts) - 1))) for row in rows]


def run(*words, env=None) -> subprocess.CompletedProcess:
    return subprocess.run([str(program()), *map(str, words)], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env={**environment(), **(env or {})}, timeout=settings.seconds(20), check=False)
