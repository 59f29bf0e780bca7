"""What is measured, as it is kept: a JSON line for each service in each repeat. All that is told is made of these."""

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path

import plan

FORMAT = 1


@dataclass(frozen=True)
class Row:
    run: str  # when the run began, UTC
    repeat: int  # from 1
    peer: str
    file: str  # of the model: f32, int8, or one of ours
    photos: str
    draft: bool  # JPEGs are decoded at a smaller scale, as Pillow does where it is asked to
    settings: str
    versions: dict[str, str]
    machine: dict
    # From the start of its first process to its first answer, and its memory under load; None: without a server.
    cold_start_s: float | None = None
    rss_mib: float | None = None
    pss_mib: float | None = None
    processes: int | None = None
    answers: dict | None = None  # the verdict on them, in the first repeat
    loads: list[dict] = field(default_factory=list)  # what each measurement showed
    left_out: str | None = None  # why nothing was measured
    format: int = FORMAT


class Unreadable(Exception):
    """A file of rows that is none, and the line."""


def append(path: Path, row: Row) -> None:
    with path.open("a") as file:
        file.write(json.dumps(asdict(row)) + "\n")


def read(path: Path) -> list[Row]:
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            values = json.loads(line)
            if values["format"] != FORMAT:
                raise Unreadable(f"{path}:{number}: rows of form {values['format']}; these are read: {FORMAT}")
            row = Row(**values)
            known = zip((row.peer, row.file, row.photos), (plan.NAMES, plan.FILES, plan.PHOTOS), strict=True)
            if unknown := [name for name, names in known if name not in names]:
                raise Unreadable(f"{path}:{number}: nothing is known of '{unknown[0]}'")
            found.append(row)
        except (ValueError, KeyError, TypeError) as error:
            raise Unreadable(f"{path}:{number}: not a row: {error}") from error
    return found


def machine(cores: set[int]) -> dict:
    """Of which all of it is a part: the processor, how many of its cores, and the kernel."""
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    flags = next((line.split() for line in _lines("/proc/cpuinfo") if line.startswith("flags")), [])
    telling = [
        flag for flag in ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8") if flag in flags
    ]
    memory_kib = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "processor": names[0] if names else platform.machine(),
        "instructions": telling,
        "cores": len(cores),
        "memory_gib": round(memory_kib / (1 << 20), 1),
        "kernel": platform.release(),
        "scheduling": _scheduling(),
    }


def _scheduling() -> str:
    """`other` is how services are run. Figures of another class, or of another niceness, are not for comparison."""
    names = {os.SCHED_OTHER: "other", os.SCHED_IDLE: "idle", os.SCHED_FIFO: "real time", os.SCHED_RR: "real time"}
    name, nice = names.get(os.sched_getscheduler(0), "another"), os.getpriority(os.PRIO_PROCESS, 0)
    return f"{name}, nice {nice}" if nice else name


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
