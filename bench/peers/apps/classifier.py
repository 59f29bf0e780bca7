"""File bytes to the five most probable classes: what every peer does with a picture, the same in all of them.

The model's own preprocessing, by Pillow and NumPy as a person would write it, without a needless copy of a large
picture. Settings come from the environment, since each framework starts its processes in its own way.
"""

import io
import os

import numpy as np
from PIL import Image, ImageOps

SIDE = 256  # the whole picture is squashed to this square
CROP = 224  # of which this square is cut from the centre
MEAN_BGR = np.array([104, 117, 123], dtype=np.float32)
TOP = 5

MODEL = os.environ.get("PEER_MODEL", "")
WORKERS = int(os.environ.get("PEER_WORKERS", "1"))
PORT = int(os.environ.get("PEER_PORT", "0"))
DRAFT = os.environ.get("PEER_DRAFT") == "1"


def tensor(data: bytes, draft: bool = DRAFT) -> np.ndarray:
    """[1, 3, 224, 224], B,G,R less the mean. `draft`: a JPEG is decoded at the smallest scale that has 256 x 256."""
    return tensor_of_image(Image.open(io.BytesIO(data)), draft)


def tensor_of_image(image: Image.Image, draft: bool = DRAFT) -> np.ndarray:
    """The same of an image that was opened and not yet decoded."""
    if draft and image.format == "JPEG":
        image.draft("RGB", (SIDE, SIDE))
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode != "RGB":
        image = image.convert("RGB")
    # Pillow's bilinear filter is as wide as the reduction: antialiased.
    image = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    margin = (SIDE - CROP) // 2
    pixels = np.asarray(image)[margin : margin + CROP, margin : margin + CROP, ::-1]
    values = pixels.astype(np.float32) - MEAN_BGR
    return np.ascontiguousarray(values.transpose(2, 0, 1)[np.newaxis])


def answer(probabilities: np.ndarray) -> dict:
    """The five most probable classes, the most probable first, as they are answered."""
    best = np.argsort(probabilities)[::-1][:TOP]
    return {"labels": [{"index": int(index), "probability": float(probabilities[index])} for index in best]}


class Classifier:
    """ONNX Runtime with a session of one thread: as many of these as there are cores is what is best on a CPU."""

    def __init__(self, model: str = MODEL):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.run(np.zeros((1, 3, CROP, CROP), dtype=np.float32))

    def run(self, values: np.ndarray) -> np.ndarray:
        """The probabilities of all classes."""
        return self.session.run(None, {self.input: values})[0].reshape(-1)

    def __call__(self, data: bytes) -> dict:
        return answer(self.run(tensor(data)))
