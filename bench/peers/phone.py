"""12-megapixel photos as phones make them, made of small ones: kept in the cache, never in the repository."""

import subprocess
import sys
from pathlib import Path

from peers import APPS


def photos(python: Path, small: list[Path], cache: Path) -> list[Path]:
    """Made where they are not there yet. The same files from the same ones: what chance there is has a seed."""
    folder = cache / "12-megapixels"
    made = [folder / path.name for path in small]
    missing = [path for path, photo in zip(small, made, strict=True) if not photo.exists()]
    if missing:
        print(f"making {len(missing)} photos of 12 megapixels ...", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        command = [python, APPS / "phone_photo.py", folder, *missing]
        subprocess.run([str(word) for word in command], check=True)
    return made
