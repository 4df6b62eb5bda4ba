"""Parts that the program may have been built without: `muxgate -V` says which it has."""

import functools
import re
import subprocess

from . import settings


@functools.lru_cache(maxsize=None)
def _version() -> str:
    return subprocess.run([settings.binary(), "-V"], capture_output=True, text=True, check=True).stdout


def has(part: str) -> bool:
    """Is "admin", "names", "regex" or "io_uring" built in?"""
    return re.search(f"^{part}: not built in$", _version(), re.MULTILINE) is None


def _mentions(value, key) -> bool:
    if isinstance(value, dict):
        return key in value or any(_mentions(item, key) for item in value.values())
    return isinstance(value, list) and any(_mentions(item, key) for item in value)


def _follows_names(config) -> bool:
    pools = config.get("pools", {}).values()
    servers = [server for pool in pools for server in pool.get("servers", [])]
    return any("resolve" in pool for pool in pools) or any("srv:" in str(server) for server in servers)


def missing(config) -> str:
    """Why this configuration cannot run here; None: it can."""
    if not isinstance(config, dict):
        return None
    wanted = {"admin": "admin" in config, "regex": _mentions(config, "regex"), "names": _follows_names(config)}
    lacks = [part for part, is_wanted in wanted.items() if is_wanted and not has(part)]
    return f"{lacks[0]}: not built in (muxgate -V)" if lacks else None
