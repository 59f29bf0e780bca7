"""Makes a photo of 12 megapixels and about 3 MB out of a small one, as a phone would have taken it.

    phone_photo.py FOLDER PICTURE...

Enlarged to 4000 x 3000 (or upright, 3000 x 4000), grain added, and saved as JPEG with 4:2:0 at the quality that comes
closest to 3 MB. The grain follows from the file's name, so that the same pictures give the same photos.
"""

import io
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

LONG, SHORT = 4000, 3000
AIM_BYTES = 3_000_000
# Of brightness, in levels of 255: what a small sensor leaves by daylight.
GRAIN = 4.0
QUALITIES = range(50, 97)


def enlarged(image: Image.Image, seed: int) -> Image.Image:
    """The model squashes what it looks at, so that the change of proportions changes nothing of it."""
    sides = (LONG, SHORT) if image.width >= image.height else (SHORT, LONG)
    large = np.asarray(image.convert("RGB").resize(sides, Image.Resampling.BICUBIC), dtype=np.float32)
    grain = np.random.default_rng(seed).standard_normal(large.shape[:2], dtype=np.float32) * GRAIN
    return Image.fromarray(np.clip(large + grain[:, :, np.newaxis], 0, 255).astype(np.uint8))


def saved(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return file.getvalue()


def nearest(image: Image.Image) -> bytes:
    """Size grows with quality: by halving the range."""
    low, high = QUALITIES.start, QUALITIES.stop - 1
    best = saved(image, low)
    while low < high:
        middle = (low + high + 1) // 2
        file = saved(image, middle)
        if abs(len(file) - AIM_BYTES) < abs(len(best) - AIM_BYTES):
            best = file
        low, high = (middle, high) if len(file) < AIM_BYTES else (low, middle - 1)
    return best


def main() -> None:
    folder = Path(sys.argv[1])
    for path in map(Path, sys.argv[2:]):
        with Image.open(path) as image:
            photo = nearest(enlarged(image, zlib.crc32(path.name.encode())))
        # In one step, so that a photo is whole or not there.
        partial = folder / f"{path.name}.partial"
        partial.write_bytes(photo)
        partial.rename(folder / path.name)


if __name__ == "__main__":
    main()
