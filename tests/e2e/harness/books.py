"""What the kernel says about the gateway's process: descriptors, memory, time, threads."""

import os
from pathlib import Path


def numbered_descriptors(pid: int) -> list:
    """Each open descriptor, and where it points to."""
    found = []
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            found.append((int(entry.name), os.readlink(entry.path)))
        except FileNotFoundError:
            pass
    return found


def descriptors(pid: int) -> list:
    """Where each open descriptor points to."""
    return sorted(link for _, link in numbered_descriptors(pid))


def watched_by(pid: int, epoll: int) -> set:
    """The descriptors that this one watches: proc(5), fdinfo."""
    try:
        lines = Path(f"/proc/{pid}/fdinfo/{epoll}").read_text().splitlines()
    except FileNotFoundError:
        return set()
    return {int(line.split()[1]) for line in lines if line.startswith("tfd:")}


def sockets(pid: int) -> int:
    return sum(link.startswith("socket:") for link in descriptors(pid))


def pipes(pid: int) -> int:
    return sum(link.startswith("pipe:") for link in descriptors(pid))


def _status(pid: int, key: str) -> str:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return line.split(":", 1)[1].strip()
    raise KeyError(key)


def memory(pid: int) -> int:
    """Resident bytes."""
    return int(_status(pid, "VmRSS").split()[0]) * 1024


def state(pid: int) -> str:
    """Of all its threads together: "R", "S", "T" (stopped)…"""
    return _status(pid, "State")[0]


def blocks(pid: int, thread: int, number: int) -> bool:
    """Does this thread leave that signal to others?"""
    return bool(int(_status(f"{pid}/task/{thread}", "SigBlk"), 16) >> (number - 1) & 1)


def user_id(pid: int) -> int:
    return int(_status(pid, "Uid").split()[1])


def capabilities(pid: int) -> dict:
    """The sets of rights of capabilities(7), but for the bounding one."""
    return {key: int(_status(pid, key), 16) for key in ("CapInh", "CapPrm", "CapEff", "CapAmb")}


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads so far."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def soft_descriptor_limit(pid: int) -> int:
    for line in Path(f"/proc/{pid}/limits").read_text().splitlines():
        if line.startswith("Max open files"):
            return int(line.split()[3])
    raise KeyError("Max open files")


def processes_with(argument: str) -> list:
    """Processes that were started with this argument."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                words = Path(f"/proc/{entry.name}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if argument.encode() in words:
                found.append(int(entry.name))
    return found
