"""A virtual environment for each peer, with the versions that its requirements file pins."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from peers import HERE

REQUIREMENTS = HERE / "requirements"


class NotInstalled(Exception):
    """Why it is left out, in one line."""


def installed(name: str, cache: Path, after: Callable[[Path], None] | None = None) -> Path:
    """The folder of the programs of `name`'s environment, which is made where it is not there or of other versions.

    `after` is done with a new environment. Raises `NotInstalled`.
    """
    requirements = REQUIREMENTS / f"{name}.txt"
    place, stamp = cache / name, cache / name / "installed"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return place / "bin"
    print(f"installing {name} ...", file=sys.stderr)
    _run([sys.executable, "-m", "venv", "--clear", place])
    # Whole lists of pins: nothing is resolved anew. Some name packages that a processor has no use for (see torch's).
    options = ["--quiet", "--no-cache-dir", "--no-deps", "--disable-pip-version-check"]
    _run([place / "bin" / "pip", "install", *options, "--requirement", requirements])
    if after:
        try:
            after(place)
        except (OSError, subprocess.CalledProcessError) as why:
            raise NotInstalled(f"its environment cannot be completed: {why}") from why
    stamp.write_text(digest)
    return place / "bin"


def versions(programs: Path, packages: tuple[str, ...]) -> dict[str, str]:
    """Of Python and of these packages in that environment."""
    code = (
        "import importlib.metadata as m, json, platform, sys;"
        "print(json.dumps({'python': platform.python_version(), **{name: m.version(name) for name in sys.argv[1:]}}))"
    )
    output = subprocess.run([str(programs / "python"), "-c", code, *packages], stdout=subprocess.PIPE, check=True)
    return json.loads(output.stdout)


def _run(command: list) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        lines = done.stdout.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        errors = [line for line in lines if line.startswith("ERROR")]
        raise NotInstalled((errors or lines)[-1])
