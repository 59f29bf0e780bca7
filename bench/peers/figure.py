"""The figure of a run: images a second at concurrency 8, a bar for each service and file. SVG, by hand."""

from html import escape
from statistics import median

import plan
from medians import Measured
from peers import OURS, PEERS
from table import PHOTO_TITLES

NAMES = {
    OURS.name: OURS.title,
    plan.BARE_OURS: "manyeyes, no server",
    plan.BARE: "Python, no server",
    **{peer.name: peer.title for peer in PEERS},
}
# Blue and orange, which are told apart by everyone; ours dark, peers pale; with our file in between.
COLOURS = {"f32": "#4477aa", "int8": "#ee8866", "auto": "#777777", "f32-ours": "#88bbdd", "int8-ours": "#f6bfa6"}
CONCURRENCY = 8
WIDTH, LABELS, RIGHT = 860, 210, 100
BAR, GAP, PANEL_HEAD, MARGIN = 15, 10, 44, 16
FONT = 'font-family="system-ui, sans-serif"'


def svg(measured: list[Measured]) -> str:
    """A panel for each size of photos; the fastest on top."""
    top, parts = MARGIN, []
    for photos in dict.fromkeys(one.photos for one in measured):
        height, panel = _panel(photos, [one for one in measured if one.photos == photos], top)
        parts += panel
        top += height
    style = "<style>text{fill:#222}path{stroke:#222}@media(prefers-color-scheme:dark){text{fill:#ddd}path{stroke:#ddd}}"
    legend, legend_height = _legend({one.file for one in measured}, top)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + legend_height}" {FONT} font-size="13">'
    return "\n".join([head, style + "</style>", *parts, *legend, "</svg>"]) + "\n"


def _panel(photos: str, measured: list[Measured], top: int) -> tuple[int, list[str]]:
    groups: dict[tuple[str, bool], list[Measured]] = {}
    for one in measured:
        if one.median_rate(CONCURRENCY):
            groups.setdefault((one.peer, one.draft), []).append(one)
    best = lambda group: max(one.median_rate(CONCURRENCY) for one in group)
    ordered = sorted(groups.items(), key=lambda item: best(item[1]), reverse=True)
    if not ordered:
        return 0, []
    scale = (WIDTH - LABELS - RIGHT) / max(best(group) for group in groups.values())
    parts = [
        _text(
            MARGIN,
            top + 18,
            f"Photos of {PHOTO_TITLES[photos]}: images a second, {CONCURRENCY} requests under way",
            "bold",
        )
    ]
    y = top + PANEL_HEAD - 8
    for (peer, draft), group in ordered:
        middle = y + len(group) * BAR / 2 + 4
        name = NAMES[peer] + (", draft" if draft else "")
        parts.append(_text(LABELS - 8, middle, name, "bold" if peer == OURS.name else "normal", "end"))
        for one in sorted(group, key=lambda one: plan.FILES.index(one.file)):
            parts += _bar(one, y, scale)
            y += BAR
        y += GAP
    return y - top + GAP, parts


def _bar(one: Measured, y: float, scale: float) -> list[str]:
    rates = one.images_per_s.get(CONCURRENCY) or one.images_per_s[None]
    rate, end = median(rates), LABELS + median(rates) * scale
    colour = COLOURS[one.file]
    bar = f'<rect x="{LABELS}" y="{y + 1:.1f}" width="{rate * scale:.1f}" height="{BAR - 2}" fill="{colour}"/>'
    low, high = (LABELS + value * scale for value in (min(rates), max(rates)))
    line = f'<path d="M{low:.1f} {y + BAR / 2:.1f}H{high:.1f}"/>' if len(rates) > 1 else ""
    return [bar, *([line] if line else []), _text(max(end, high) + 5, y + BAR - 3, f"{rate:.1f}", size=11)]


def _legend(files: set[str], top: int) -> tuple[list[str], int]:
    parts, x = [], LABELS
    for file in (file for file in plan.FILES if file in files):
        parts.append(f'<rect x="{x}" y="{top}" width="12" height="12" fill="{COLOURS[file]}"/>')
        parts.append(_text(x + 17, top + 11, {"f32-ours": "our f32", "int8-ours": "our int8"}.get(file, file), size=12))
        x += 100
    parts.append(_text(LABELS, top + 30, "Bars: medians. Lines: from the slowest to the fastest repeat.", size=12))
    return parts, 30 + MARGIN


def _text(x: float, y: float, words: str, weight: str = "normal", anchor: str = "start", size: int = 13) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" font-weight="{weight}" text-anchor="{anchor}" font-size="{size}"'
    return f"<text {place}>{escape(words)}</text>"
