"""mosec: its own HTTP server in Rust, and `num` processes of Python that do the work."""

from classifier import WORKERS, Classifier
from mosec import Server, Worker


class Classify(Worker):
    def __init__(self):
        super().__init__()
        self.classify = Classifier()

    def deserialize(self, data: bytes) -> bytes:
        return data

    def forward(self, data: bytes) -> dict:
        return self.classify(data)


if __name__ == "__main__":
    server = Server()
    server.append_worker(Classify, num=WORKERS)
    server.run()
