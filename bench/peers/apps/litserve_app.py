"""LitServe: FastAPI in processes of its own, and `workers_per_device` processes that decode and infer."""

import litserve
from classifier import PORT, WORKERS, Classifier


class Classify(litserve.LitAPI):
    def setup(self, device):
        self.classify = Classifier()

    def decode_request(self, request) -> bytes:
        return request["content"].file.read()

    def predict(self, data: bytes) -> dict:
        return self.classify(data)

    def encode_response(self, output: dict) -> dict:
        return output


if __name__ == "__main__":
    server = litserve.LitServer(
        Classify(api_path="/classify"), accelerator="cpu", devices=1, workers_per_device=WORKERS, timeout=60
    )
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, log_level="warning", access_log=False)
