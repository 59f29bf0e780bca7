"""The tables of a run, in Markdown. Medians of the repeats; of two ways to connect, the one that did better."""

import plan
from medians import Measured, medians
from peers import OURS, PEERS
from rows import Row

TITLES = {
    plan.BARE: "*decoding + engine in Python, no server*",
    plan.BARE_OURS: "*decoding + engine in manyeyes, no server*",
    OURS.name: f"**{OURS.title}**",
    **{peer.name: peer.title for peer in PEERS},
}
PHOTO_TITLES = {plan.SMALL: "about 100 kB", plan.PHONE: "12 megapixels"}
FILE_TITLES = {
    "f32": "the published f32 file",
    "int8": "the int8 file",
    "auto": "`--precision auto`",
    "f32-ours": "our optimised f32 file",
    "int8-ours": "our optimised int8 file",
}
# With which of the peers' files each of ours is compared.
RIVALS = {"f32": ("f32", "f32-ours"), "int8": ("f32", "int8", "int8-ours"), "auto": ("f32", "int8")}
LOADS = (8, 32)  # requests under way for which throughput is told


def markdown(rows: list[Row]) -> str:
    """All of it."""
    measured = medians(rows)
    parts = [_head(rows), _ratios(measured), _server(measured)]
    for photos in dict.fromkeys(one.photos for one in measured):
        for file in dict.fromkeys(one.file for one in measured if one.photos == photos):
            parts.append(_table(photos, file, [one for one in measured if (one.photos, one.file) == (photos, file)]))
    parts.append(_left_out(rows))
    parts.append(_who(rows))
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(rows: list[Row]) -> str:
    machine, repeats = rows[0].machine, max(row.repeat for row in rows)
    loads = [load for row in rows for load in row.loads if load.get("concurrency")]
    where = f"{machine['cores']} cores of an {machine['processor']} ({', '.join(machine['instructions'])})"
    lines = [
        "# Side by side",
        "",
        f"Run of {rows[0].run} on {where}, {machine['memory_gib']} GiB, Linux {machine['kernel']}; "
        f"{f'medians of {repeats} interleaved repeats' if repeats > 1 else '1 repeat'}; clients on the same cores. "
        "Made by `make bench-peers`; `bench/peers/README.md` says what each row is.",
    ]
    if _overflows(machine["instructions"]) and any(row.file.startswith("int8") for row in rows):
        lines += [
            "",
            "On this processor ONNX Runtime, as peers run it, lets sums of 8-bit integers overflow, and sees fewer "
            "photos rightly than these easy ones show (docs/engines.md). manyeyes has it be exact, which costs speed.",
        ]
    if machine["scheduling"] != "other":
        lines += ["", f"**Not for comparison:** it ran in the scheduling class '{machine['scheduling']}'."]
    failed = sum(sum(load["wrong"].values()) for load in loads)
    if failed:
        lines += ["", f"{failed} requests were not answered rightly; they count for nobody's throughput."]
    return "\n".join(lines)


def _overflows(instructions: list[str]) -> bool:
    """x86 without VNNI adds two products of 8 bits in 16."""
    return "avx2" in instructions and not {"avx_vnni", "avx512_vnni"} & set(instructions)


def _ratios(measured: list[Measured]) -> str:
    """Ours over the best peer, in each way that both were measured in."""
    lines = []
    for ours in (one for one in measured if one.peer == OURS.name):
        files = RIVALS[ours.file]
        rivals = [one for one in measured if one.photos == ours.photos and one.file in files and _is_peer(one)]
        for way in dict.fromkeys((one.file, one.draft) for one in rivals):
            lines.append(_ratio(ours, [one for one in rivals if (one.file, one.draft) == way]))
    if not lines:
        return ""
    columns = ["photos", "manyeyes with", "peers with", *(f"at {concurrency}" for concurrency in LOADS), "best peer"]
    head = [
        "## manyeyes / the best peer, images a second",
        "",
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
    ]
    return "\n".join([*head, *lines])


def _ratio(ours: Measured, rivals: list[Measured]) -> str:
    """A line: against those of one file and one scale of decoding. Who is best may change with the load."""
    ratios, best = [], []
    for concurrency in LOADS:
        rates = {one.peer: rate for one in rivals if (rate := one.median_rate(concurrency))}
        mine = ours.median_rate(concurrency)
        ratios.append(f"{mine / max(rates.values()):.2f}" if mine and rates else "")
        best += [TITLES[max(rates, key=rates.get)]] if rates else []
    against = FILE_TITLES[rivals[0].file] + (", draft decoding" if rivals[0].draft else "")
    cells = [PHOTO_TITLES[ours.photos], FILE_TITLES[ours.file], against, *ratios, ", then ".join(dict.fromkeys(best))]
    return f"| {' | '.join(cells)} |"


def _is_peer(one: Measured) -> bool:
    return one.peer not in (OURS.name, plan.BARE, plan.BARE_OURS)


def _server(measured: list[Measured]) -> str:
    """What is left of our own decoding and engine when a cluster is put around them."""
    lines = []
    for bare in (one for one in measured if one.peer == plan.BARE_OURS):
        for ours in (
            one for one in measured if (one.peer, one.file, one.photos) == (OURS.name, bare.file, bare.photos)
        ):
            shares = [
                f"{rate / bare.median_rate(at):.2f}" if (rate := ours.median_rate(at)) is not None else ""
                for at in LOADS
            ]
            lines.append(f"| {PHOTO_TITLES[ours.photos]} | {FILE_TITLES[ours.file]} | {' | '.join(shares)} |")
    if not lines:
        return ""
    head = ["## manyeyes / its own decoding and engine without a server", "", "| photos | file | at 8 | at 32 |"]
    return "\n".join([*head, "|---|---|---|---|", *lines])


def _table(photos: str, file: str, measured: list[Measured]) -> str:
    columns = [
        "",
        "images/s at 8",
        "at 32",
        "p50 ms at 1",
        "p99 ms at 8",
        "RSS MiB (shared pages once)",
        "cold start s",
        "same first class",
        "largest difference",
    ]
    title = f"## Photos of {PHOTO_TITLES[photos]}, {FILE_TITLES[file]}"
    head = [title, "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    ordered = sorted(measured, key=lambda one: one.median_rate(8) or 0.0, reverse=True)
    return "\n".join([*head, *map(_line, ordered)])


def _line(one: Measured) -> str:
    title = TITLES[one.peer] + (", draft" if one.draft else "") + (" ¹" if one.fresh else "")
    memory = f"{one.rss_mib:.0f} ({one.pss_mib:.0f})" if one.rss_mib else ""
    answers = one.answers or {}
    same = f"{answers['same_first']} of {answers['photos']}" if answers else ""
    difference = answers.get("largest_difference_alike")
    difference = answers.get("largest_difference") if difference is None else difference
    cells = [
        _number(one.median_rate(8)),
        _number(one.median_rate(32)) if one.peer not in (plan.BARE, plan.BARE_OURS) else "",
        _number(one.p50_ms.get(1)) if one.halves_ms is None else f"{one.halves_ms[0]:.1f} + {one.halves_ms[1]:.1f} ²",
        _number(one.p99_ms.get(8), 0),
        memory,
        _number(one.cold_start_s, 2),
        same,
        "" if difference is None else f"{difference:.1e}",
    ]
    return f"| {title} | {' | '.join(cells)} |"


def _number(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _left_out(rows: list[Row]) -> str:
    left_out = [row for row in rows if row.left_out]
    if not left_out:
        return ""
    lines = [
        f"- {TITLES[row.peer]}, {row.file}, {row.photos} photos{', draft' if row.draft else ''}: {row.left_out}"
        for row in left_out
    ]
    return "\n".join(["## Not measured, and why", "", *lines])


def _who(rows: list[Row]) -> str:
    told = {row.peer: row for row in rows if row.left_out is None}
    lines = []
    for name, row in told.items():
        versions = ", ".join(f"{package} {version}" for package, version in row.versions.items())
        lines.append(f"- {TITLES[name]}: {row.settings} ({versions})")
    notes = [
        "¹ With a connection for each request, which did better than kept ones.",
        "",
        "² Decoding + inference of one picture, while every core is busy with another.",
        "",
        "*Same first class*: as ONNX Runtime on the published f32 file, whole pictures. *Largest difference* of the "
        "first class's probability: against ONNX Runtime with the same file and scale of decoding; for manyeyes, which "
        "decodes and resizes by its own code, against the published f32 file.",
    ]
    return "\n".join(["## Who", "", *lines, "", *notes])
