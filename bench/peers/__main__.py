"""Side by side with what people would use instead. README.md beside this file says how it is done.

python3 bench/peers run --quick
python3 bench/peers report bench/results/peers.jsonl
"""

import sys

if sys.version_info < (3, 11):
    sys.exit("bench/peers needs Python 3.11 or later")

import argparse
import dataclasses
import os
import signal
import subprocess
from pathlib import Path

import models
import plan
import report
import rows
from load import Lengths
from peers import HERE
from plan import FULL, QUICK
from runner import Bench, Programs

ROOT = HERE.parent.parent


def main() -> int:
    arguments = parser().parse_args()
    # Asked to end, it ends what it has started, as at Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        return arguments.verb(arguments)
    except KeyboardInterrupt:
        return 130
    except (Missing, rows.Unreadable, OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1


def run(arguments: argparse.Namespace) -> int:
    measured = QUICK if arguments.quick else FULL
    lengths = Lengths(
        measured.lengths.warm_up_s if arguments.warm_up is None else arguments.warm_up,
        measured.lengths.measured_s if arguments.seconds is None else arguments.seconds,
    )
    measured = dataclasses.replace(
        measured,
        lengths=lengths,
        repeats=arguments.repeats or measured.repeats,
        concurrency=dict.fromkeys(plan.PHOTOS, arguments.concurrency)
        if arguments.concurrency
        else measured.concurrency,
    )
    if arguments.cores:
        os.sched_setaffinity(0, arguments.cores)
    if arguments.models is None or arguments.images is None:
        raise Missing("say where models and photos are: --models and --images, or MANYEYES_MODELS and MANYEYES_IMAGES")
    programs = Programs(arguments.manyeyes.resolve(), arguments.bare.resolve(), (ROOT / ".cache" / "peers").resolve())
    for program in (programs.manyeyes, programs.bare_ours):
        if not program.is_file():
            raise Missing(f"there is no {program}: `make bench-peers` builds it")
    files = models.found(arguments.models, arguments.file, programs.manyeyes, programs.cache)
    if "f32" not in files:
        raise Missing(f"there is no googlenet.onnx in {arguments.models}, and all answers are held against it")
    cells = plan.cells(arguments.peers, arguments.photos, tuple(name for name in arguments.files if name in files))
    # Committed results are of whole runs: a short one does not replace them.
    out = arguments.out or ROOT / ("target/bench-peers" if arguments.quick else "bench/results")
    return report.write(Bench(programs, files, arguments.images, out).run(cells, measured))


class Missing(Exception):
    """What a run cannot do without."""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="bench/peers", description="Side by side with what people would use instead.")
    verbs = top.add_subparsers(required=True)

    measure = verbs.add_parser("run", help="install, check, measure, and report")
    measure.set_defaults(verb=run)
    measure.add_argument("--quick", action="store_true", help="one repeat of a few seconds")
    measure.add_argument("--manyeyes", type=Path, default=ROOT / "target/release/manyeyes", help="our program")
    measure.add_argument(
        "--bare", type=Path, default=ROOT / "target/release/examples/bare", help="ours without a server"
    )
    measure.add_argument("--models", type=Path, default=folder("MANYEYES_MODELS"), help="with googlenet.onnx and -int8")
    measure.add_argument("--images", type=Path, default=folder("MANYEYES_IMAGES"), help="whose JPEGs are posted")
    measure.add_argument(
        "--file",
        type=named_file,
        action=Named,
        default={},
        metavar="NAME=PATH",
        help="in place of what is in --models or made of it",
    )
    measure.add_argument("--peers", type=some_of(plan.NAMES), help="only these, and these with everything")
    measure.add_argument(
        "--photos", type=some_of(plan.PHOTOS), default=plan.PHOTOS, help=f"of {', '.join(plan.PHOTOS)}"
    )
    measure.add_argument("--files", type=some_of(plan.FILES), default=plan.FILES, help=f"of {', '.join(plan.FILES)}")
    measure.add_argument("--concurrency", type=lambda text: tuple(map(int, text.split(","))), help="1,8,32")
    measure.add_argument("--repeats", type=int)
    measure.add_argument("--seconds", type=float, help="of one measurement")
    measure.add_argument("--warm-up", type=float, help="seconds before it")
    measure.add_argument("--cores", type=lambda text: set(map(int, text.split(","))), help="0,1: all of it on these")
    measure.add_argument(
        "--out", type=Path, help="where rows, table and figure go: bench/results, of --quick target/bench-peers"
    )

    tell = verbs.add_parser("report", help="the table and the figure of rows")
    tell.set_defaults(verb=lambda arguments: report.write(arguments.rows))
    tell.add_argument("rows", type=Path)
    return top


class Named(argparse.Action):
    """Collects NAME=PATH."""

    def __call__(self, parser, namespace, values, option_string=None):
        setattr(namespace, self.dest, {**getattr(namespace, self.dest), **values})


def some_of(names: tuple[str, ...]):
    """Reads a list with commas, of these names."""

    def read(text: str) -> tuple[str, ...]:
        words = tuple(text.split(","))
        if unknown := [word for word in words if word not in names]:
            raise argparse.ArgumentTypeError(f"there is no {unknown[0]}: there are {', '.join(names)}")
        return words

    return read


def named_file(text: str) -> dict[str, Path]:
    name, equals, path = text.partition("=")
    names = ", ".join((*plan.PUBLISHED, *plan.OPTIMISED))
    if not equals or name not in (*plan.PUBLISHED, *plan.OPTIMISED):
        raise argparse.ArgumentTypeError(f"it must look like NAME=PATH, with one of these: {names}")
    if not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"{path} is not there")
    return {name: Path(path)}


def folder(variable: str) -> Path | None:
    return Path(os.environ[variable]) if os.environ.get(variable) else None


if __name__ == "__main__":
    sys.exit(main())
