"""A service while it is measured: started, asked until it answers, its memory read, and ended with all it started."""

import os
import signal
import socket
import subprocess
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from photo import Photo, Refused, post

MARK = "PEER_SERVICE"  # in the environment of each process of a service, so that it is found wherever it went
START_LIMIT_S = 180
END_LIMIT_S = 10


class StartFailed(Exception):
    """It did not answer: the last lines of what it said."""


@dataclass(frozen=True)
class Memory:
    rss_mib: float  # pages that processes share are counted in each
    pss_mib: float  # and here once
    processes: int


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    """Use it in a `with`: at its end nothing is left of it."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path, log: Path):
        self.mark = uuid.uuid4().hex
        self.log = log
        self.began = time.monotonic()
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, **environment, MARK: self.mark},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_) -> None:
        self.end()

    def first_answer(self, url: str, part: str | None, photo: Photo) -> float:
        """Seconds from the start of its first process to its first answer."""
        while True:
            try:
                post(url, part, photo)
                return time.monotonic() - self.began
            except (OSError, Refused) as why:
                if self.process.poll() is not None:
                    raise StartFailed(f"it ended with status {self.process.returncode}: {self.last_words()}") from why
                if time.monotonic() - self.began > START_LIMIT_S:
                    raise StartFailed(f"no answer in {START_LIMIT_S} s ({why}): {self.last_words()}") from why
            time.sleep(0.01)

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-5:]) or "it said nothing"

    def memory(self) -> Memory:
        rss_kib = pss_kib = 0
        processes = self.processes()
        for process in processes:
            try:
                rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
            except OSError:
                continue
            sizes = {line.split(":")[0]: int(line.split()[1]) for line in rollup.splitlines()[1:]}
            rss_kib += sizes.get("Rss", 0)
            pss_kib += sizes.get("Pss", 0)
        return Memory(rss_kib / 1024, pss_kib / 1024, len(processes))

    def processes(self) -> dict[int, str]:
        """Its processes, and when each began: those with its mark, those of its session, and what came of them."""
        parents, began, found = {}, {}, set()
        marked = f"{MARK}={self.mark}".encode()
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                fields = _stat(int(entry))
                environment = Path(f"/proc/{entry}/environ").read_bytes()
            except OSError:
                continue
            if fields[0] == "Z":
                continue
            parents[int(entry)], began[int(entry)] = int(fields[1]), fields[19]
            if int(fields[3]) == self.process.pid or marked in environment.split(b"\0"):
                found.add(int(entry))
        while grown := {child for child, parent in parents.items() if parent in found} - found:
            found |= grown
        return {process: began[process] for process in sorted(found)}

    def end(self) -> None:
        """Asks its first process to end, and with it the others; then kills what is left of them."""
        family = self.processes()
        if self.process.poll() is None:
            self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(END_LIMIT_S)
        # One that has lost its parent, its session and its mark is known by its number and when it began.
        for process, began in {**family, **self.processes()}.items():
            if _began(process) == began:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        self.process.wait()


def _stat(process: int) -> list[str]:
    """The fields behind its name, which is in brackets and may hold anything: state, parent, group, session ..."""
    return Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()


def _began(process: int) -> str | None:
    try:
        return _stat(process)[19]
    except OSError:
        return None
