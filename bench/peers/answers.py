"""Are a service's answers right? Asked before it is timed: who answers wrongly is not."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from peers import APPS
from photo import Photo, post

TOLERANCE = 1e-4  # of a probability, where model file and preprocessing are the same
LEAST_AGREEMENT = 0.9  # of photos whose first class is that of the published file, where they are not
AT_A_TIME = 4

Answers = dict[str, list[tuple[int, float]]]


@dataclass(frozen=True)
class Verdict:
    """What was compared with what ONNX Runtime answers on the published f32 file, of whole pictures."""

    photos: int
    same_first: int  # photos with the same most probable class
    largest_difference: float  # of the probability of that class
    # The same against ONNX Runtime with the same file and the same scale of decoding; None where the preprocessing is
    # not the shared one.
    largest_difference_alike: float | None
    is_right: bool

    def as_row(self) -> dict:
        return asdict(self)


def reference(python: Path, model: Path, draft: bool, photos: list[Path]) -> Answers:
    """What ONNX Runtime answers through the shared preprocessing."""
    command = [python, APPS / "reference.py", model, "draft" if draft else "whole", *photos]
    output = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, check=True).stdout
    return {
        name: [(label["index"], label["probability"]) for label in labels]
        for name, labels in json.loads(output).items()
    }


def asked(url: str, part: str | None, photos: list[Path]) -> Answers:
    """What a service answers, each photo posted once."""
    with ThreadPoolExecutor(AT_A_TIME) as clients:
        answers = clients.map(lambda path: post(url, part, Photo.read(path)), photos)
        return dict(zip((path.name for path in photos), answers, strict=True))


def judge(given: Answers, published: Answers, alike: Answers | None) -> Verdict:
    """`alike`: by the same file and preprocessing, so that there is no excuse for a difference."""
    same, difference = _compare(given, published)
    if alike is None:
        return Verdict(len(given), same, difference, None, same >= LEAST_AGREEMENT * len(given))
    same_alike, difference_alike = _compare(given, alike)
    is_right = same_alike == len(given) and difference_alike <= TOLERANCE
    return Verdict(len(given), same, difference, difference_alike, is_right)


def _compare(given: Answers, expected: Answers) -> tuple[int, float]:
    """How many have the same first class, and how far the probability of the expected first class is off at most."""
    same, largest = 0, 0.0
    for name, labels in given.items():
        index, probability = expected[name][0]
        same += labels[0][0] == index
        largest = max(largest, abs(dict(labels).get(index, 0.0) - probability))
    return same, largest
