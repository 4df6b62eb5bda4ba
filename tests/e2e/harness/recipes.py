"""The recipes of docs/recipes: their blocks, with addresses and files put in place of those that are
written there, and the programs that they come from."""

import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path

from . import cleanup, net, settings, wait

FOLDER = settings.HERE.parent.parent / "docs" / "recipes"
_BLOCK = re.compile(r"^```([a-z]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Recipe:
    """A page of recipes. `places` says what stands in for the addresses and files on it."""

    def __init__(self, name: str):
        self.blocks = dict(_BLOCK.findall((FOLDER / f"{name}.md").read_text()))

    def text(self, language: str, places: dict) -> str:
        text = self.blocks[language]
        for place in places:
            assert place in text, f"{place} is not in the {language} block"
        # In one go: a port that stands in for one place may be written at another.
        known = re.compile("|".join(re.escape(place) + r"(?![0-9])" for place in sorted(places, key=len, reverse=True)))
        return known.sub(lambda found: str(places[found.group()]), text)

    def config(self, places: dict) -> dict:
        """The configuration, listening where its test finds it."""
        config = json.loads(self.text("json", places))
        for listener in config["listeners"].values():
            del listener["bind"]
        return config


class Program:
    """Another program, serving what its block says at `port`."""

    def __init__(self, command: list, port: int):
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        cleanup.remember(self)
        self.said = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.port = port
        wait.until(self._listens, f"{command[0]} listens on {port}", 10, every=0.05)

    def _read(self):
        for line in self.process.stdout:
            self.said.append(line)

    def _listens(self) -> bool:
        assert self.process.poll() is None, b"".join(self.said).decode(errors="replace")
        try:
            net.connect((net.HOST, self.port)).close()
        except ConnectionRefusedError:
            return False
        return True

    def connect(self) -> net.Peer:
        return net.connect((net.HOST, self.port))

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # with a child for each connection, as some have
        except ProcessLookupError:
            pass
        self.process.wait()
        self.reader.join(2)
        self.process.stdout.close()


def write(folder: Path, name: str, text: str) -> Path:
    path = Path(folder) / name
    path.write_text(text)
    return path
