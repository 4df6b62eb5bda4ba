"""Processes: started pinned and quiet, and asked for their processor time and memory."""

import os
import pathlib
import resource
import selectors
import subprocess
import time


class BenchError(Exception):
    """What ends a benchmark, in one line for a person."""


def _limits_and_pin(cpus):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if cpus:
        os.sched_setaffinity(0, cpus)


def start(argv, cpus=(), **options):
    """A process with the hard descriptor limit, on the given processors where there are any."""
    return subprocess.Popen(argv, preexec_fn=lambda: _limits_and_pin(cpus), **options)


def stop(process, patience=5.0):
    """Ends a process that start() made, in order first and by force if it must be."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _parent(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[1])


def tree(pid):
    """The process and all that descend from it."""
    parents = {int(e): _parent(int(e)) for e in os.listdir("/proc") if e.isdigit()}
    found = [pid]
    for one in found:
        found.extend(child for child, parent in parents.items() if parent == one)
    return found


def cpu_ns(pids):
    """Processor time, user and system, of all threads of the processes, in nanoseconds.

    /proc/PID/task/TID/schedstat counts in nanoseconds what /proc/PID/stat counts in ticks of ten
    milliseconds; where the kernel was built without it the ticks have to do."""
    return sum(_cpu_ns_of(pid) for pid in pids)


def _cpu_ns_of(pid):
    total = 0
    try:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text(encoding="ascii").split()[0])
        return total
    except OSError:
        return _cpu_ticks_ns_of(pid)


def _cpu_ticks_ns_of(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise BenchError(f"process {pid} has gone: {error}") from error
    fields = text.rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def pss_kb(pids):
    """Memory of the processes, pages shared between them divided by their number, in KiB."""
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def read_line(process, what, seconds=30.0):
    """The next line of a process's stdout; a BenchError where it ends or stays silent instead."""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        deadline = time.monotonic() + seconds
        line = b""
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise BenchError(f"{what}: nothing within {seconds:.0f} s")
            byte = os.read(process.stdout.fileno(), 1)
            if not byte:
                raise BenchError(f"{what}: ended with status {process.wait()}")
            line += byte
    return line.decode()
