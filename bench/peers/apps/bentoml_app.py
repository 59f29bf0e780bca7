"""BentoML: a service of `workers` processes, which takes the picture as its documentation does, as an image."""

import bentoml
from classifier import WORKERS, Classifier, answer, tensor_of_image
from PIL.Image import Image


@bentoml.service(workers=WORKERS, traffic={"timeout": 60})
class Classify:
    def __init__(self):
        self.classifier = Classifier()

    @bentoml.api
    def classify(self, image: Image) -> dict:
        return answer(self.classifier.run(tensor_of_image(image)))
