"""A real HTTPS server: Debian's nginx, in the foreground, from a configuration of its own."""

import shutil
import subprocess
from pathlib import Path

from . import cleanup, net, wait

_CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{servers}
}}
"""

_SERVER = """
    server {{
        listen 127.0.0.1:{port} ssl {listen};
        server_name {name};
        ssl_certificate {pair.cert};
        ssl_certificate_key {pair.key};
        {extra}
        location / {{ return 200 "{say}"; }}
    }}
"""


def program():
    return shutil.which("nginx") or shutil.which("/usr/sbin/nginx")


class Nginx:
    """One HTTPS server per name, each on a port of its own."""

    def __init__(self, folder: Path, pairs: dict, listen: str = "http2",
                 say: str = "this is {name}, asked for $host\\n", extra: str = ""):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ports = {name: net.free_port() for name in pairs}
        servers = "".join(_SERVER.format(port=self.ports[name], name=name, pair=pair, listen=listen, extra=extra,
                                         say=say.replace("{name}", name)) for name, pair in pairs.items())
        config = self.folder / "nginx.conf"
        config.write_text(_CONFIG.format(folder=self.folder, servers=servers))
        self.process = subprocess.Popen([program(), "-p", str(self.folder), "-c", str(config),
                                         "-e", str(self.folder / "error.log")],
                                        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        cleanup.remember(self)
        for port in self.ports.values():
            wait.until(lambda: self._answers(port), "nginx listens", 10)

    def _answers(self, port):
        if self.process.poll() is not None:
            raise AssertionError("nginx ended: " + self.process.stderr.read().decode(errors="replace"))
        try:
            net.connect((net.HOST, port)).close()
        except ConnectionRefusedError:
            return False
        return True

    def address(self, name: str) -> str:
        return f"{net.HOST}:{self.ports[name]}"

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
