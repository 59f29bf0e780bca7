"""What ONNX Runtime answers for each picture: what the peers' answers are held against. JSON, by the files' names.

reference.py MODEL draft|whole PICTURE...
"""

import json
import sys
from pathlib import Path

from classifier import Classifier, answer, tensor


def main() -> None:
    model, scale, *pictures = sys.argv[1:]
    classify = Classifier(model)
    answers = {}
    for picture in map(Path, pictures):
        values = tensor(picture.read_bytes(), draft=scale == "draft")
        answers[picture.name] = answer(classify.run(values))["labels"]
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
