"""`python -m lab.bench.engine`: seconds and memory of each job of the embedded engine, by stage."""

from __future__ import annotations

import cProfile
import multiprocessing
import pstats
import resource
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import cv2
import psutil

from lab.bench.page import about, put, table
from local.processes import ROOT
from providers.engine.embedded import EmbeddedEngine, _ffmpeg
from providers.engine.embedded.animate import animate
from providers.engine.embedded.restore import restore

SAMPLES = (
    "portrait.jpg",
    "two_faces.jpg",
    "no_face_cat.jpg",
    "damaged_sepia_portrait.jpg",
    "damaged_faded_portrait.jpg",
    "tiny_portrait_150px.jpg",
)
SERVICES = ("animate", "restore")
MEBIBYTE = 1024 * 1024
SAMPLE_SECONDS = 0.02
# File and function -> its name in the table; the time includes all it calls.
STAGES = {
    ("photo.py", "read"): "open",
    ("faces.py", "find_faces"): "faces",
    ("faces.py", "person_mask"): "person",
    ("looks.py", "look"): "looks",
    ("filling.py", "fill"): "filling",
    ("enlarge.py", "double"): "enlarge",
    ("restore.py", "_examine"): "examine",
    ("restore.py", "_renew"): "grain, tone",
    ("motion.py", "source_map"): "motion",
    ("expression.py", "offsets"): "expression",
    ("animate.py", "_add_expression"): "expression",
    ("video.py", "write"): "pipe",
}
WARP, ENCODER, START = "warp", "encode", "start"


@dataclass
class Job:
    """One job as a worker runs it. shares: of its CPU, by stage."""

    service: str
    sample: str
    size: str
    cpu: float
    wall: float
    peak_mib: float
    mended_percent: float
    shares: dict[str, float]


@click.command()
@click.option("--rounds", default=2, help="Runs of each job; the lowest figures count.")
@click.option("--write/--no-write", "to_docs", default=False, help="Put the figures into docs/.")
def main(rounds: int, to_docs: bool) -> None:
    """Measure every sample with both services."""
    jobs = []
    for service in SERVICES:
        for sample in SAMPLES:
            jobs.append(_measure(service, sample, rounds))
            click.echo(f"{service} {sample}: {jobs[-1].cpu:.1f} s of CPU", err=True)
    text = _markdown(jobs)
    click.echo(text)
    if to_docs:
        put("engine", text)


def _measure(service: str, sample: str, rounds: int) -> Job:
    runs = [_run(service, ROOT / "local/samples" / sample) for _ in range(rounds)]
    cpu, wall, peak, meta = min(runs, key=lambda run: run[0])
    wall = min(run[1] for run in runs)
    return Job(
        service,
        sample,
        f"{meta['width']}x{meta['height']}",
        cpu,
        wall,
        peak,
        meta["mendedPercent"],
        _shares(service, ROOT / "local/samples" / sample, cpu),
    )


def _run(service: str, photo: Path) -> tuple[float, float, float, dict[str, Any]]:
    """CPU and wall seconds, peak MiB of child and encoder together, and the engine's meta."""
    with tempfile.TemporaryDirectory() as folder, _peak() as peak:
        before, started = _children_cpu(), time.perf_counter()
        result = EmbeddedEngine().run(
            service, photo, workdir=Path(folder), progress=lambda percent: None
        )
        wall = time.perf_counter() - started
        return _children_cpu() - before, wall, max(peak), result.meta


@contextmanager
def _peak() -> Iterator[list[float]]:
    """Resident MiB of this process's children, sampled all the time."""
    stop, seen = threading.Event(), [0.0]

    def sample() -> None:
        me = psutil.Process()
        while not stop.wait(SAMPLE_SECONDS):
            total = 0
            for child in me.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            seen.append(total / MEBIBYTE)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield seen
    finally:
        stop.set()
        sampler.join()


def _shares(service: str, photo: Path, cpu: float) -> dict[str, float]:
    """Each stage's share of a job's CPU; the rest is Python's start and code outside stages."""
    # In a process of its own, so that its children's time is the encoder's alone.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        spent = pool.submit(_profile, service, photo).result()
    spent[START] = max(0.0, cpu - sum(spent.values()))
    total = sum(spent.values())
    return {stage: seconds / total for stage, seconds in spent.items()}


def _profile(service: str, photo: Path) -> dict[str, float]:
    """CPU seconds by stage, on one thread so that the profiler sees all of them."""
    cv2.setNumThreads(1)
    profile = cProfile.Profile(time.process_time)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "result.mp4"
        profile.enable()
        if service == "animate":
            animate(photo, target, ffmpeg=_ffmpeg(), progress=lambda percent: None)
        else:
            restore(photo, target, progress=lambda percent: None)
        profile.disable()
    stats: Any = pstats.Stats(profile)
    spent: dict[str, float] = {}
    for (file, _, function), (_, _, _, seconds, callers) in stats.stats.items():
        stage = STAGES.get((Path(file).name, function))
        if stage and "embedded" in file:
            spent[stage] = spent.get(stage, 0.0) + seconds
        if "remap" in function:
            film = [each for key, each in callers.items() if key[2] == "_film"]
            spent[WARP] = sum(each[3] for each in film)
    if service == "animate":
        spent[ENCODER] = _children_cpu()
    return spent


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _markdown(jobs: list[Job]) -> str:
    lines = []
    for job in jobs:
        largest = sorted(job.shares.items(), key=lambda each: -each[1])[:4]
        lines.append(
            [
                *(job.service, job.sample, job.size),
                *(f"{job.cpu:.1f}", f"{job.wall:.1f}", f"{job.peak_mib:.0f}"),
                f"{job.mended_percent:.1f}",
                ", ".join(f"{stage} {share:.0%}" for stage, share in largest),
            ]
        )
    head = [
        "Service",
        "Photo",
        "Result",
        "CPU s",
        "wall s",
        "peak MiB",
        "mended %",
        "where the CPU goes",
    ]
    return (
        f"{about('make bench-engine')}: each job as a worker runs it, in a child process; CPU and"
        " memory of the child and its encoder together, the lowest of the runs. Wall seconds"
        " depend on what else the machine does. `start` is Python, its imports and what no"
        f" stage holds.\n\n{table(head, lines)}"
    )


if __name__ == "__main__":
    main()
