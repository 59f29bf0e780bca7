"""What TorchServe's worker processes run: its guide advises ONNX Runtime for a CPU, in place of its own PyTorch."""

from classifier import Classifier


class Handler:
    def initialize(self, context) -> None:
        self.classify = Classifier()

    def handle(self, requests: list[dict], context) -> list[dict]:
        return [self.classify(bytes(request["body"])) for request in requests]
