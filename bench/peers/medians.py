"""What the repeats of a run say together: of each service with one file and one size of photos."""

from collections import defaultdict
from dataclasses import dataclass
from statistics import median

from rows import Row


@dataclass(frozen=True)
class Measured:
    """Of one service with one file and one size of photos, in all repeats."""

    peer: str
    file: str
    photos: str
    draft: bool
    repeats: int
    images_per_s: dict[int | None, list[float]]  # by requests under way, those of the better way to connect; None: bare
    fresh: bool  # a connection for each request did better, at 8
    p50_ms: dict[int, float]
    p99_ms: dict[int, float]
    cold_start_s: float | None
    rss_mib: float | None
    pss_mib: float | None
    answers: dict | None
    halves_ms: tuple[float, float] | None  # decoding and inference of one picture, without a server

    def median_rate(self, concurrency: int) -> float | None:
        """Images a second; what has no server is the same at any number."""
        values = self.images_per_s.get(concurrency) or self.images_per_s.get(None)
        return median(values) if values else None


def medians(rows: list[Row]) -> list[Measured]:
    """What was measured, by service, in the order of the rows."""
    groups = defaultdict(list)
    for row in rows:
        if row.left_out is None:
            groups[row.peer, row.file, row.photos, row.draft].append(row)
    return [_of(group) for group in groups.values()]


def _of(group: list[Row]) -> Measured:
    first = group[0]
    ways = defaultdict(list)
    for row in group:
        for load in row.loads:
            ways[load.get("concurrency"), load.get("connections")].append(load)
    better = {}
    for (concurrency, connections), loads in ways.items():
        rate = median(load["images_per_s"] for load in loads)
        if concurrency not in better or rate > better[concurrency][0]:
            better[concurrency] = (rate, connections, loads)
    latency = lambda name: {
        concurrency: median(values)
        for concurrency, (_, _, loads) in better.items()
        if (values := [load[name] for load in loads if load.get(name) is not None])
    }
    of = lambda name: (
        median(values) if (values := [getattr(row, name) for row in group if getattr(row, name)]) else None
    )
    return Measured(
        peer=first.peer,
        file=first.file,
        photos=first.photos,
        draft=first.draft,
        repeats=len(group),
        images_per_s={key: [load["images_per_s"] for load in loads] for key, (_, _, loads) in better.items()},
        fresh=8 in better and better[8][1] == "fresh",
        p50_ms=latency("p50_ms"),
        p99_ms=latency("p99_ms"),
        cold_start_s=of("cold_start_s"),
        rss_mib=of("rss_mib"),
        pss_mib=of("pss_mib"),
        answers=next((row.answers for row in group if row.answers), None),
        halves_ms=_halves_ms(group),
    )


def _halves_ms(group: list[Row]) -> tuple[float, float] | None:
    loads = [load for row in group for load in row.loads if "decoding_ms" in load]
    if not loads:
        return None
    return median(load["decoding_ms"] for load in loads), median(load["inference_ms"] for load in loads)
