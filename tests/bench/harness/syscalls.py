"""System calls per unit of work: exact where times are noisy. Taken with strace -c."""

import contextlib
import re
import signal
import subprocess

from . import process
from .process import BenchError

# "% time  seconds  usecs/call  calls  [errors]  syscall", a line of strace's summary.
SUMMARY_LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?([a-z]\w+)$")
ATTACH_SECONDS = 10.0


@contextlib.contextmanager
def counted(pids, folder):
    """Counts the calls of the processes and their threads within; a dict, filled at the end."""
    summary = folder / "strace"
    targets = [argument for pid in pids for argument in ("-p", str(pid))]
    calls = {}
    tracer = process.start(["strace", "-f", "-c", "-o", str(summary), *targets],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
    try:
        for _ in pids:
            said = process.read_line(tracer, "strace", ATTACH_SECONDS)
            if "attached" not in said:
                raise BenchError(f"strace: {said.strip()}")
        yield calls
    finally:
        if tracer.poll() is None:
            tracer.send_signal(signal.SIGINT)
        process.stop(tracer)
    calls.update(_read(summary.read_text(encoding="utf-8")))


def _read(text):
    calls = {}
    for line in text.splitlines():
        found = SUMMARY_LINE.match(line)
        if found and found.group(2) != "total":
            calls[found.group(2)] = calls.get(found.group(2), 0) + int(found.group(1))
    return calls


def table(runs, subjects):
    """Calls per unit: one row per call, one column per subject, the sum first."""
    per_unit = {r["subject"]: {call: count / r["units"] for call, count in r["calls"].items()}
                for r in runs}
    for name in per_unit:
        per_unit[name]["all"] = sum(per_unit[name].values())
    present = [name for name in subjects if name in per_unit]
    names = {call for calls in per_unit.values() for call in calls}
    most = {call: max(per_unit[s].get(call, 0) for s in present) for call in names}
    order = sorted((c for c in names if most[c] >= 0.005), key=lambda c: (c != "all", -most[c]))
    lines = [f"{'':18}" + "".join(f"{name:>14}" for name in present)]
    for call in order:
        lines.append(f"{call:18}" + "".join(
            f"{per_unit[name].get(call, 0):14.2f}" for name in present))
    return "\n".join(lines) + "\n"
