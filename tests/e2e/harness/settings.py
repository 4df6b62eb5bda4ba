"""Where the binary is, and how patient and how big the tests are."""

import functools
import os
import resource
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent


def binary() -> str:
    """The program under test: MUXGATE, or the one built beside this folder."""
    return os.environ.get("MUXGATE") or str(HERE.parent.parent / "src" / "muxgate")


@functools.lru_cache(maxsize=None)
def sanitized() -> bool:
    """Was the program built with AddressSanitizer or ThreadSanitizer?"""
    try:
        code = Path(binary()).read_bytes()
    except OSError:
        return False
    return b"__asan_init" in code or b"__tsan_init" in code


@functools.lru_cache(maxsize=None)
def defers_signals() -> bool:
    """ThreadSanitizer runs a handler only when its thread next waits in a call that it knows."""
    try:
        return b"__tsan_init" in Path(binary()).read_bytes()
    except OSError:
        return False


def slow() -> float:
    """Deadlines are multiplied by this, sizes divided."""
    return float(os.environ.get("MUXGATE_TEST_SLOW") or (4 if sanitized() else 1))


def seconds(plain: float) -> float:
    """A deadline for something that normally takes far less."""
    return plain * max(1.0, slow())


def scaled(size: int, least: int = 1) -> int:
    """A size or a count that a slow build may have smaller."""
    return max(least, int(size / max(1.0, slow())))


def raise_descriptor_limit() -> int:
    """Thousands of clients and servers live in the test process itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return soft


def in_ci() -> bool:
    return bool(os.environ.get("CI"))
