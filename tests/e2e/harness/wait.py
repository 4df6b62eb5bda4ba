"""Waiting for an event with a deadline, instead of sleeping and hoping."""

import time

from . import settings


class Deadline:
    def __init__(self, plain_seconds: float):
        self.end = time.monotonic() + settings.seconds(plain_seconds)

    def left(self) -> float:
        return max(0.0, self.end - time.monotonic())

    def over(self) -> bool:
        return self.left() == 0.0


def until(check, what: str, seconds: float = 5.0, every: float = 0.02):
    """Calls check() until it returns something true, and returns that."""
    deadline = Deadline(seconds)
    while True:
        result = check()
        if result:
            return result
        if deadline.over():
            raise AssertionError(f"waited {settings.seconds(seconds):.1f}s in vain: {what}")
        time.sleep(every)


class Stopwatch:
    def __init__(self):
        self.begin = time.monotonic()

    def elapsed(self) -> float:
        return time.monotonic() - self.begin
