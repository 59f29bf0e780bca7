"""TorchServe: a front in Java, and `default_workers_per_model` processes of Python behind it.

Lays out the model as TorchServe wants it, and becomes TorchServe.
"""

import json
import os
import shutil
import socket
import sys
from pathlib import Path

from classifier import PORT, WORKERS

SCRATCH = Path(os.environ["PEER_SCRATCH"])
HERE = Path(__file__).resolve().parent


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def lay_out_model(store: Path) -> None:
    """An archive of the form `no-archive`: a folder."""
    model = store / "classify"
    (model / "MAR-INF").mkdir(parents=True)
    about = {"modelName": "classify", "handler": "torchserve_handler.py", "modelVersion": "1.0"}
    (model / "MAR-INF" / "MANIFEST.json").write_text(json.dumps({"runtime": "python", "model": about}))
    for name in ("torchserve_handler.py", "classifier.py"):
        shutil.copy(HERE / name, model)


def main() -> None:
    lay_out_model(SCRATCH / "store")
    management, metrics, inference_grpc, management_grpc = free_ports(4)
    settings = {
        "inference_address": f"http://127.0.0.1:{PORT}",
        "management_address": f"http://127.0.0.1:{management}",
        "metrics_address": f"http://127.0.0.1:{metrics}",
        "grpc_inference_port": inference_grpc,
        "grpc_management_port": management_grpc,
        "default_workers_per_model": WORKERS,
        "default_response_timeout": 60,
        "job_queue_size": 1000,
        "max_request_size": 64 << 20,
        "async_logging": "true",
        "disable_token_authorization": "true",
    }
    config = SCRATCH / "config.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    # It writes logs where it is, and finds its own Python by the path.
    os.environ.update(LOG_LOCATION=str(SCRATCH), METRICS_LOCATION=str(SCRATCH), TEMP=str(SCRATCH))
    programs = Path(sys.executable).parent
    os.environ["PATH"] = f"{programs}:{os.environ['PATH']}"
    os.chdir(SCRATCH)
    program = str(programs / "torchserve")
    where = ["--model-store", "store", "--models", "classify=classify", "--ts-config", str(config)]
    os.execv(program, [program, "--start", "--foreground", "--ncs", *where])


if __name__ == "__main__":
    main()
