"""Carries the plan out: each service in its turn is started, checked, measured and ended, and its row is written."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import answers
import install
import load
import phone
import plan
import rows
from peers import APPS, Peer, Setting, named
from photo import Photo, Refused
from plan import Cell, Plan
from rows import Row
from service import Service, StartFailed, free_port


@dataclass(frozen=True)
class Programs:
    """Where programs are, and where environments and made photos are kept."""

    manyeyes: Path
    bare_ours: Path
    cache: Path


class LeftOut(Exception):
    """Why a service is not measured."""


class Bench:
    def __init__(self, programs: Programs, models: dict[str, Path], images: Path, out: Path):
        self.programs = programs
        self.models = models
        self.cores = os.sched_getaffinity(0)
        self.out = out
        self.python = install.installed(plan.BARE, programs.cache) / "python"
        small = sorted(images.glob("*.jpg"))
        if not small:
            raise FileNotFoundError(f"there are no *.jpg in {images}")
        self.images = {plan.SMALL: small}
        self.began = datetime.now(UTC).isoformat(timespec="seconds")
        self.machine = rows.machine(self.cores)
        self.answers: dict[tuple, answers.Answers] = {}  # of the reference, computed once
        self.left_out: dict[Cell, str] = {}

    def run(self, cells: list[Cell], measured: Plan) -> Path:
        """Measures, and returns the file of rows, which takes the place of an earlier one when all are there."""
        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / "peers.partial.jsonl"
        path.unlink(missing_ok=True)
        turns = plan.turns(cells, measured.repeats)
        for number, (repeat, cell) in enumerate(turns, 1):
            if cell in self.left_out:
                continue
            scale = " draft" if cell.draft else ""
            print(
                f"{number} of {len(turns)}: {cell.peer}, {cell.file}, {cell.photos} photos{scale}: ",
                end="",
                file=sys.stderr,
            )
            try:
                row = self._measure(cell, repeat, measured)
            except (LeftOut, StartFailed, install.NotInstalled, load.LoadFailed) as why:
                self.left_out[cell] = str(why)
                row = self._row(cell, repeat, "", {}, left_out=str(why))
            rows.append(path, row)
            print(_told(row), file=sys.stderr)
        return path.rename(self.out / "peers.jsonl")

    def _measure(self, cell: Cell, repeat: int, measured: Plan) -> Row:
        with tempfile.TemporaryDirectory(prefix="peers-") as scratch:
            if cell.peer in (plan.BARE, plan.BARE_OURS):
                return self._bare(cell, repeat, measured)
            return self._service(named(cell.peer), cell, repeat, measured, Path(scratch))

    def _service(self, peer: Peer, cell: Cell, repeat: int, measured: Plan, scratch: Path) -> Row:
        programs = self.programs.manyeyes.parent
        if not peer.is_ours:
            programs = install.installed(peer.name, self.programs.cache, peer.after_install)
        about = (self.models[cell.file], cell.file, cell.draft, len(self.cores))
        setting = Setting(*about, free_port(), scratch, programs)
        url = f"http://127.0.0.1:{setting.port}{peer.path}"
        photos = self._photos(cell.photos)
        where = {"PEER_PORT": str(setting.port), "PEER_SCRATCH": str(scratch)}
        own = {name: value.format(scratch=scratch) for name, value in peer.environment.items()}
        environment = {**self._environment(cell), **where, **own}
        with Service(peer.command(setting), environment, APPS, scratch / "log") as service:
            cold_start_s = service.first_answer(url, peer.part, Photo.read(photos[0]))
            settings = peer.settings + _choice(service.log)
            verdict = self._check(peer, cell, url, photos) if repeat == 1 else None
            loads, memory = [], None
            for concurrency in measured.concurrency[cell.photos]:
                # With one connection there is nothing to share out.
                kinds = (False, True) if peer.shares_port and concurrency > 1 else (False,)
                for fresh in kinds:
                    about = (self.programs.manyeyes, url, peer.part, photos, concurrency, fresh, measured.lengths)
                    loads.append(load.measure(*about))
                memory = service.memory()
        versions = _our_versions(self.programs.manyeyes) if peer.is_ours else install.versions(programs, peer.packages)
        return self._row(
            cell,
            repeat,
            settings,
            versions,
            cold_start_s=cold_start_s,
            rss_mib=memory.rss_mib,
            pss_mib=memory.pss_mib,
            processes=memory.processes,
            answers=verdict,
            loads=loads,
        )

    def _bare(self, cell: Cell, repeat: int, measured: Plan) -> Row:
        seconds, photos = measured.lengths.measured_s, self._photos(cell.photos)
        if cell.peer == plan.BARE:
            command = [self.python, APPS / "bare.py", seconds, *photos]
            versions = install.versions(self.python.parent, ("onnxruntime", "pillow", "numpy"))
            settings = "a process of one thread for each core, without a server"
        else:
            command = [self.programs.bare_ours, seconds, self.models[cell.file], *photos]
            versions = _our_versions(self.programs.manyeyes)
            settings = "a recogniser of one thread for each core, without a server"
        words = [str(word) for word in command]
        environment = {**os.environ, **self._environment(cell)}
        done = subprocess.run(words, env=environment, capture_output=True)
        if done.returncode != 0:
            raise LeftOut((done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1])
        return self._row(cell, repeat, settings, versions, loads=[json.loads(done.stdout)])

    def _check(self, peer: Peer, cell: Cell, url: str, photos: list[Path]) -> dict:
        published = self._reference(cell.photos, "f32", False)
        alike = None if peer.is_ours else self._reference(cell.photos, cell.file, cell.draft)
        try:
            given = answers.asked(url, peer.part, photos)
        except (OSError, Refused) as why:
            raise LeftOut(f"a photo was not answered: {why}") from why
        verdict = answers.judge(given, published, alike)
        if not verdict.is_right:
            raise LeftOut(f"its answers are wrong: {json.dumps(verdict.as_row())}")
        return verdict.as_row()

    def _reference(self, size: str, file: str, draft: bool) -> answers.Answers:
        key = (size, file, draft)
        if key not in self.answers:
            self.answers[key] = answers.reference(self.python, self.models[file], draft, self._photos(size))
        return self.answers[key]

    def _photos(self, size: str) -> list[Path]:
        if size not in self.images:
            self.images[size] = phone.photos(self.python, self.images[plan.SMALL], self.programs.cache)
        return self.images[size]

    def _environment(self, cell: Cell) -> dict[str, str]:
        draft = "1" if cell.draft else "0"
        theirs = {"PEER_MODEL": str(self.models[cell.file]), "PEER_WORKERS": str(len(self.cores)), "PEER_DRAFT": draft}
        # Ours finds the int8 form of a model by its name.
        return {**theirs, "MANYEYES_MODELS": str(self.models["f32"].parent)}

    def _row(self, cell: Cell, repeat: int, settings: str, versions: dict[str, str], **measured) -> Row:
        about = dataclasses.asdict(cell)
        return Row(
            run=self.began,
            repeat=repeat,
            settings=settings,
            versions=versions,
            machine=self.machine,
            **about,
            **measured,
        )


def _choice(log: Path) -> str:
    """What manyeyes has said of the precision that it chose."""
    chosen = re.search(r"precision (f32|int8):", log.read_text(errors="replace"))
    return f", precision {chosen.group(1)} chosen" if chosen else ""


def _our_versions(manyeyes: Path) -> dict[str, str]:
    version = subprocess.run([str(manyeyes), "--version"], stdout=subprocess.PIPE, check=True).stdout.decode()
    library = re.search(r"(\d+\.\d+\.\d+)", os.environ.get("ORT_DYLIB_PATH", ""))
    return {"manyeyes": version.split()[-1], "onnxruntime": library.group(1) if library else "none"}


def _told(row: Row) -> str:
    if row.left_out:
        return f"left out: {row.left_out}"
    return ", ".join(f"{load['images_per_s']:.1f} at {load.get('concurrency', 'once')}" for load in row.loads)
