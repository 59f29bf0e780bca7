"""PyTorch on a CPU without gigabytes of CUDA.

PyPI's PyTorch for Linux is linked with CUDA's libraries, several gigabytes that a CPU never calls, and does not load
without them. Empty libraries of their names stand in; CUDA's small runtime, which is called while PyTorch loads, is the
real one, from its own package. What runs on a CPU is PyTorch's own code, and the same with either.
"""

import subprocess
from pathlib import Path

# Needed by libtorch_cuda.so of the version in requirements/flask.txt (`readelf -d`).
LIBRARIES = (
    "libcublas.so.13",
    "libcublasLt.so.13",
    "libcudnn.so.9",
    "libcufft.so.12",
    "libcufile.so.0",
    "libcupti.so.13",
    "libcusparse.so.12",
    "libcusparseLt.so.0",
    "libnccl.so.2",
    "libnvrtc.so.13",
)
# This one has a variable that is looked up at once, and so must be there, of the version that is asked for.
WITH_VARIABLE = "libnvshmem_host.so.3"
VARIABLE, VERSION = "nvshmem_selected_device_transport", "NVSHMEM"


def make(environment: Path) -> None:
    """In the virtual environment that has PyTorch: beside its own libraries, where they are looked for. Needs `cc`."""
    (packages,) = environment.glob("lib/python3.*/site-packages")
    libraries = packages / "torch" / "lib"
    for name in LIBRARIES:
        _link(libraries / name, "")
    versions = libraries / f"{WITH_VARIABLE}.map"
    versions.write_text(f"{VERSION} {{ global: *; }};\n")
    _link(libraries / WITH_VARIABLE, f"int {VARIABLE};\n", f"-Wl,--version-script={versions}")
    # A function that is not there is missed when it is called, not when PyTorch loads. Each start of Python reads this.
    (packages / "cuda_stand_ins.pth").write_text("import os, sys; sys.setdlopenflags(os.RTLD_LAZY)\n")


def _link(library: Path, source: str, *options: str) -> None:
    command = ["cc", "-shared", "-x", "c", "-", *options, f"-Wl,-soname,{library.name}", "-o", str(library)]
    subprocess.run(command, input=source.encode(), check=True)
