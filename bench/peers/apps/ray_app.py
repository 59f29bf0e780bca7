"""Ray Serve: an HTTP proxy and `num_replicas` replicas of one core each."""

import asyncio
import os

import ray
from classifier import PORT, WORKERS, Classifier
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=WORKERS, ray_actor_options={"num_cpus": 1})
class Classify:
    def __init__(self):
        self.classify = Classifier()

    async def __call__(self, request: Request) -> dict:
        return await asyncio.to_thread(self.classify, await request.body())


if __name__ == "__main__":
    ray.init(
        num_cpus=WORKERS,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 << 20,
        _temp_dir=os.environ["PEER_SCRATCH"],
    )
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    serve.run(Classify.bind(), route_prefix="/classify", blocking=True)
