"""Rows as a run would have written them."""

from rows import Row

MACHINE = {
    "processor": "AMD EPYC",
    "instructions": ["avx2"],
    "cores": 2,
    "memory_gib": 8.0,
    "kernel": "6.1",
    "scheduling": "other",
}


def load(rate: float, concurrency: int = 8, connections: str = "kept", wrong: dict | None = None) -> dict:
    times = {"p50_ms": 8e3 / rate, "p90_ms": 9e3 / rate, "p99_ms": 10e3 / rate}
    return {
        "concurrency": concurrency,
        "connections": connections,
        "images_per_s": rate,
        "right": int(rate),
        "wrong": wrong or {},
        **times,
    }


def row(peer: str, loads: list[dict], **other) -> Row:
    about = {"repeat": 1, "file": "f32", "photos": "small", "draft": False, **other}
    return Row(
        run="2026-01-01T00:00:00+00:00",
        peer=peer,
        settings="as told",
        versions={"it": "1.0"},
        machine=MACHINE,
        loads=loads,
        **about,
    )
