"""A real browser without a screen: Chromium, driven over the WebDriver protocol with nothing but the standard
library. It takes seconds to start: tests share one, and each opens a page of its own."""

import base64
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading

from . import settings, wait

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's name for a reference to one
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
         "--force-device-scale-factor=1", "--hide-scrollbars"]


class Element:
    def __init__(self, browser, reference):
        self.browser, self.path = browser, f"/element/{reference}"

    def click(self):
        self.browser.ask("POST", f"{self.path}/click", {})

    def type(self, text: str):
        self.browser.ask("POST", f"{self.path}/value", {"text": text})

    @property
    def text(self) -> str:
        return self.browser.ask("GET", f"{self.path}/text")

    @property
    def visible(self) -> bool:
        return self.browser.ask("GET", f"{self.path}/displayed")


class Browser:
    def __init__(self, chromium: str, chromedriver: str):
        self.folder = tempfile.mkdtemp(prefix="browser-")
        self.session = None
        home = {"HOME": self.folder, "XDG_CONFIG_HOME": self.folder, "XDG_CACHE_HOME": self.folder}
        self.process = subprocess.Popen([chromedriver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        stdin=subprocess.DEVNULL, text=True, env={**os.environ, **home}, start_new_session=True)
        self.port = self._read_port()
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        flags = [*FLAGS, f"--user-data-dir={self.folder}/profile", "--window-size=1280,1000"]
        self.session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"binary": chromium, "args": flags}}}})["sessionId"]

    def _read_port(self) -> int:
        for line in self.process.stdout:
            if "started successfully on port" in line:
                return int(line.rstrip().rstrip(".").rsplit(" ", 1)[1])
        raise RuntimeError("chromedriver did not start")

    def _ask(self, method: str, path: str, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=settings.seconds(30))
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise RuntimeError(f"{path}: {value['error']}: {value.get('message')}")
        return value

    def ask(self, method: str, path: str, body=None):
        return self._ask(method, f"/session/{self.session}{path}", body)

    def cdp(self, command: str, **parameters):
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    # --- looking and doing -----------------------------------------------------------------------

    def open(self, url: str):
        self.ask("POST", "/url", {"url": url})

    def scheme(self, name: str):
        """light or dark, as the system would have it."""
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name},
                                                         {"name": "prefers-reduced-motion", "value": "reduce"}])

    def blank(self):
        """As it was at first."""
        self.open("about:blank")
        self.cdp("Emulation.clearDeviceMetricsOverride")
        self.scheme("light")
        self.console()

    def size(self, width: int, height: int):
        """Of what is shown, whatever a window could be."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)

    def run(self, script: str, *arguments):
        """A function's body; its value, which may be a promise."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, css: str) -> Element:
        """Waits for it."""
        return Element(self, wait.until(lambda: self._find(css), css, 15))

    def _find(self, css):
        found = self.ask("POST", "/elements", {"using": "css selector", "value": css})
        return found[0][ELEMENT] if found else None

    def until(self, script: str, what: str, *arguments):
        """Waits until the script gives something true."""
        return wait.until(lambda: self.run(script, *arguments), what, 15)

    def until_text(self, css: str, words: str):
        """Waits until the text of something that is there has these words, and gives it."""
        found = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText).find(t => t.includes(arguments[1])) ?? null"
        return self.until(found, f"{css} with {words!r}", css, words)

    def console(self) -> list:
        """What the page has complained of since the last time."""
        return [entry for entry in self.ask("POST", "/se/log", {"type": "browser"}) if entry["level"] not in ("INFO", "DEBUG")]

    def screenshot(self, file, whole=True):
        """A picture, of the page in its whole length."""
        if whole:
            width, height = self.run("return [innerWidth, document.documentElement.scrollHeight]")
            self.size(width, height)
        file.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))

    def close(self):
        if self.process.poll() is None:
            try:
                if self.session is not None:
                    self.ask("DELETE", "")
            finally:
                self.session = None
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
                self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)
