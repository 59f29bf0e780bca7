"""The model files, by the names that rows and tables have for them."""

import shutil
import subprocess
from pathlib import Path

import plan

PUBLISHED_AS = {"f32": "googlenet.onnx", "int8": "googlenet-int8.onnx"}


def found(folder: Path, named: dict[str, Path], manyeyes: Path, cache: Path) -> dict[str, Path]:
    """Those in the folder, with those that were named in their place, and what manyeyes makes of them.

    Raises `subprocess.CalledProcessError` where it cannot.
    """
    files = {name: folder / file for name, file in PUBLISHED_AS.items()} | named
    files = {name: path.resolve() for name, path in files.items() if path.is_file()}
    missing = [name for name in plan.PUBLISHED if name in files and optimised(name) not in files]
    files |= {optimised(name): path for name, path in _exported(files, missing, manyeyes, cache).items()}
    if "f32" in files:
        # manyeyes looks for the int8 form itself, beside this one.
        files[plan.AUTO] = files["f32"]
    return files


def optimised(name: str) -> str:
    return f"{name}-ours"


def _exported(files: dict[str, Path], names: list[str], manyeyes: Path, cache: Path) -> dict[str, Path]:
    """With the graph as manyeyes runs it, in operations that any runtime knows."""
    folder = cache / "exported"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    exported = {name: folder / f"{optimised(name)}.onnx" for name in names}
    for name, path in exported.items():
        command = [manyeyes, "model", "export", files[name], path]
        subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, check=True)
    return exported
