"""Load on a service, by `manyeyes bench`: the same generator for all of them."""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Lengths:
    """Of one measurement, in seconds."""

    warm_up_s: float
    measured_s: float


class LoadFailed(Exception):
    """The generator could not run: what it said."""


def measure(
    manyeyes: Path, url: str, part: str | None, photos: list[Path], concurrency: int, fresh: bool, lengths: Lengths
) -> dict:
    """Images a second and times with so many requests under way. `fresh`: each by a connection of its own."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [manyeyes, "bench", *photos, "--url", url, "--concurrency", concurrency, "--repeats", 1]
        command += ["--seconds", lengths.measured_s, "--warm-up", lengths.warm_up_s, "--json", report.name]
        command += ["--part", part] if part else []
        command += ["--fresh-connections"] if fresh else []
        done = subprocess.run([str(word) for word in command], capture_output=True)
        # 3: some request was not answered rightly, which the report counts.
        if done.returncode not in (0, 3):
            raise LoadFailed(done.stderr.decode(errors="replace").strip())
        (repeat,) = json.load(report)["repeats"]
    latency = repeat["latency"] or {}
    times = {name: latency.get(name) for name in ("p50_ms", "p90_ms", "p99_ms")}
    figures = {"images_per_s": repeat["images_per_s"], "right": repeat["right"], "wrong": repeat["wrong"]}
    return {"concurrency": concurrency, "connections": "fresh" if fresh else "kept", **figures, **times}
