"""What is measured with what, and in which order."""

from dataclasses import dataclass

from load import Lengths
from peers import OURS, PEERS, named

SMALL, PHONE = "small", "phone"  # about 100 kB, and 12 megapixels
PHOTOS = (SMALL, PHONE)
PUBLISHED = ("f32", "int8")
OPTIMISED = ("f32-ours", "int8-ours")
AUTO = "auto"  # f32 or int8, as manyeyes finds better
FILES = (*PUBLISHED, AUTO, *OPTIMISED)

# Decoding and the engine without a server: through Python as the peers have it, and ours.
BARE, BARE_OURS = "bare", "bare-ours"
NAMES = (OURS.name, BARE_OURS, BARE, *(peer.name for peer in PEERS))

# An hour has no room for everybody with everything: where nobody is named, only these, the fastest on the published
# files, have the 12-megapixel photos, and, of small photos, our optimised files.
FASTEST = ("mosec", "fastapi")


@dataclass(frozen=True)
class Cell:
    """One service as it is started: measured once in each repeat."""

    peer: str
    file: str
    photos: str
    draft: bool = False


@dataclass(frozen=True)
class Plan:
    repeats: int
    lengths: Lengths
    concurrency: dict[str, tuple[int, ...]]  # requests under way, by the size of photos


CONCURRENCY = {SMALL: (1, 8, 32), PHONE: (1, 8)}
FULL = Plan(repeats=5, lengths=Lengths(warm_up_s=1.0, measured_s=4.0), concurrency=CONCURRENCY)
QUICK = Plan(repeats=1, lengths=Lengths(warm_up_s=0.5, measured_s=2.0), concurrency=CONCURRENCY)


def cells(names: tuple[str, ...] | None, photos: tuple[str, ...], files: tuple[str, ...]) -> list[Cell]:
    """In the order in which they take turns. `names`: only these, with everything; None: all, within an hour."""
    found = []
    for size in photos:
        for file in files:
            for name in NAMES:
                if names is None and not _has_room(name, size, file) or names is not None and name not in names:
                    continue
                if not _can_serve(name, file):
                    continue
                found.append(Cell(name, file, size))
                # Small photos have no smaller scale that is still as large as the model's input.
                if size == PHONE and name not in (OURS.name, BARE_OURS):
                    found.append(Cell(name, file, size, draft=True))
    return found


def turns(cells: list[Cell], repeats: int) -> list[tuple[int, Cell]]:
    """A, B, C, then B, C, A: what drifts in the machine meets all of them alike, and nobody always comes first."""
    found = []
    for repeat in range(repeats):
        first = repeat * len(cells) // repeats
        found += [(repeat + 1, cell) for cell in cells[first:] + cells[:first]]
    return found


def _has_room(name: str, size: str, file: str) -> bool:
    if file in OPTIMISED and size != SMALL:
        return False
    return (size == SMALL and file in PUBLISHED) or name in (OURS.name, BARE_OURS, BARE, *FASTEST)


def _can_serve(name: str, file: str) -> bool:
    if name in (BARE, BARE_OURS):
        return file in PUBLISHED or (name == BARE and file in OPTIMISED)
    return file in named(name).files
