"""A cluster on one machine: `python -m campaigns.cluster --pictures 480 --many 20000`.

Ray's own test cluster: a head without processors and one or two nodes of one processor each, all of them processes of
this machine. Pictures of people who do not exist, repeated under other names, are protected by a few steps of PMT:

* by this process (the reference), by one and two plain processes without Ray (what the machine itself gives to two), on
  one node, on two, and on two of which one is killed after a third of the pictures;
* for memory, a small and a large folder by white noise alone, so that reading, writing and the driver are what counts.

Prints pictures a second of wall clock and a second of processor time, from the first portion that is done to the last
picture; whether the manifest is the reference's; how many journal lines and half files there are; and peaks of memory.
Every run is a process of its own. The exit code is 1 where a manifest differs or something is lost or doubled.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from campaigns.jobs import people

HERE = Path(__file__).parents[1]
NETWORK, STEPS, SEED, PORTION = "bauta-residual", 4, 7, 8
PEOPLE, VIEWS = 8, 3
TICK = 1 / os.sysconf("SC_CLK_TCK")


NOT_HERE = 75  # the exit code of a run where Ray does not start


class NoClusterError(RuntimeError):
    """Ray does not start on this machine, which is no fault of bauta's."""


@dataclass
class Measured:
    """A run. seconds, cpu: wall clock, and processor time of the workers, from the first portion that was done to the
    last; rate: pictures in them. driver, worker: peaks of resident memory, in MB."""

    name: str
    pictures: int
    nodes: int
    rate: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    driver: float = 0.0
    worker: float = 0.0
    manifest: str = ""
    doubled: int = 0
    lost: int = 0
    half: int = 0


@dataclass
class Watch:
    """Looks twice a second at the workers' processes: their processor time and their memory."""

    who: Callable[[], list[int]]
    cpu: dict[int, float] = field(default_factory=dict)
    worker: float = 0.0
    driver: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self.looking, daemon=True).start()

    def looking(self) -> None:
        """Until it is over."""
        while not self.over.wait(0.5):
            self.look()

    def look(self) -> None:
        """Once."""
        self.driver = max(self.driver, resident(os.getpid()))
        for pid in self.who():
            try:
                after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                self.cpu[pid] = (int(after[11]) + int(after[12])) * TICK
                self.worker = max(self.worker, resident(pid))
            except (OSError, IndexError):
                continue  # it ended between the two looks

    def total(self) -> float:
        """Processor seconds of all workers, also of those that were killed."""
        self.look()
        return sum(self.cpu.values())


def resident(pid: int) -> float:
    """Resident memory of a process, in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def actors() -> list[int]:
    """The processes of Ray's actors, but for those of its own."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            title = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:  # it ended
            continue
        if title.startswith((b"ray::MapWorker", b"ray::IDLE", b"ray::Actor(")):
            found.append(int(entry.name))
    return found


def children() -> list[int]:
    """The processes that this one has started itself."""
    return [child.pid for child in multiprocessing.active_children() if child.pid]


def folder_of(people_of: Path, folder: Path, pictures: int) -> None:
    """So many pictures, which repeat those of `people_of` under other names; a thousand a folder."""
    made = sorted(people_of.rglob("*.png"))
    for number in range(pictures):
        path = folder / f"{number // 1000:03d}" / f"{number:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(made[number % len(made)], path)


def run(name: str, work: Path, pictures: int, nodes: int, killed: bool, cheap: bool, plain: bool) -> Measured:
    """One run in this process. nodes: 0 for this process alone; of Ray, or processes where it is plain."""
    import torch

    from bauta.job import ProtectJob
    from bauta.job.engine import Engine, Here, Processes
    from bauta.job.rayengine import Ray
    from bauta.protections import PMT
    from bauta.protections.images.service import WhiteNoise
    from bauta.recognizers import load

    torch.set_num_threads(1)
    on_ray = bool(nodes) and not plain
    measured = Measured(name, pictures, nodes)
    watch = Watch(actors if on_ray else children if nodes else lambda: [os.getpid()])
    kill, close = cluster(nodes) if on_ray else (lambda: None, lambda: None)
    engine: Engine = Ray() if on_ray else Processes(nodes, threads=1) if nodes else Here()
    protection = WhiteNoise(0.1) if cheap else PMT(steps=STEPS, target_cosine=None).fit(None, load(NETWORK))
    job = ProtectJob(
        work / f"given-{pictures}",
        work / name,
        work / "journals",
        protection,
        {"protection": repr(protection)},
        batch_size=PORTION,
        engine=engine,
    )
    began: list[float] = []

    def progress(done: int, total: int, file: str, error: str | None) -> None:
        if done == PORTION * max(1, nodes):  # the networks are there and warm
            began.extend((time.perf_counter(), watch.total(), done))
        if killed and done == total // 3:
            kill()

    watch.start()
    result = job.run(SEED, progress)
    measured.seconds, measured.cpu = time.perf_counter() - began[0], watch.total() - began[1]
    measured.rate = pictures - int(began[2])
    watch.over.set()
    close()
    measured.driver, measured.worker = watch.driver, watch.worker
    return checked(measured, work, len(result.written))


def checked(measured: Measured, work: Path, written: int) -> Measured:
    """With what lies on the disk now."""
    import hashlib

    out = work / measured.name
    (journal,) = (work / "journals").glob(f"{measured.name}-*.jsonl")
    files = [json.loads(line)["file"] for line in journal.read_text().splitlines()[1:]]
    there = [path for path in out.rglob("*") if path.is_file()]
    measured.manifest = hashlib.sha256((out / "manifest.jsonl").read_bytes()).hexdigest()[:12]
    measured.doubled = len(files) - len(set(files)) + max(0, written - measured.pictures)
    measured.lost = measured.pictures - len([path for path in there if path.suffix == ".png"])
    measured.half = len([path for path in there if path.name.startswith(".")])
    return measured


def cluster(nodes: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """A cluster of so many nodes of one processor, connected; what kills one, and what ends it all."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # where others fill the machine's memory, Ray would kill workers
    os.environ["RAY_memory_monitor_refresh_ms"] = "0"  # noqa: SIM112 Ray writes it so
    import ray
    from ray.cluster_utils import Cluster

    store = 1 << 27  # bytes
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": store}
    try:
        made: Any = Cluster(initialize_head=True, head_node_args=head)
        added = [made.add_node(num_cpus=1, object_store_memory=store) for _ in range(nodes)]
        ray.init(made.address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises that itself where its processes start too slowly
        raise NoClusterError(f"Ray does not start on this machine: {' '.join(str(error).split())[:300]}") from error

    def close() -> None:
        ray.shutdown()
        made.shutdown()

    return lambda: made.remove_node(added[-1], allow_graceful=False), close


def alone(work: Path, name: str, pictures: int, nodes: int, *flags: str) -> Measured:
    """A run in a process of its own. Raises `NoClusterError`."""
    words = [sys.executable, "-m", "campaigns.cluster", "--run", name, str(pictures), str(nodes), "--work", str(work)]
    given = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run([*words, *flags], env=given, capture_output=True, text=True, cwd=HERE, check=False)
    if done.returncode == NOT_HERE:
        raise NoClusterError(done.stderr.strip().splitlines()[-1])
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stderr[-3000:]}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def campaign(work: Path, pictures: int, few: int, many: int) -> list[Measured]:
    """All runs."""
    for number in {pictures, few, many}:
        folder_of(people(work / f"people-{number}", PEOPLE, VIEWS), work / f"given-{number}", number)
    runs = [
        ("local", pictures, 0, ()),
        ("one-process", pictures, 1, ("--plain",)),
        ("two-processes", pictures, 2, ("--plain",)),
        ("one-node", pictures, 1, ()),
        ("two-nodes", pictures, 2, ()),
        ("one-killed", pictures, 2, ("--killed",)),
        ("few", few, 2, ("--cheap",)),
        ("many", many, 2, ("--cheap",)),
    ]
    found = []
    for name, number, nodes, flags in runs:
        if number:
            found.append(alone(work, name, number, nodes, *flags))
            sys.stderr.write(f"{found[-1]}\n")
            shutil.rmtree(work / name)
            shutil.rmtree(work / "journals")
    return found


def table(found: list[Measured]) -> str:
    """The runs as a table in Markdown."""
    lines = [
        "| run | pictures | workers | pictures a second | a core-second of wall clock | a processor second | lost | "
        "doubled | half | manifest | driver, MB | worker, MB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---|---:|---:|",
    ]
    for m in found:
        rates = (m.rate / m.seconds, m.rate / m.seconds / max(1, m.nodes), m.rate / max(m.cpu, 1e-9))
        numbers = " | ".join(f"{rate:.2f}" for rate in rates)
        what = f"{m.lost} | {m.doubled} | {m.half} | {m.manifest} | {m.driver:.0f} | {m.worker:.0f}"
        lines.append(f"| {m.name} | {m.pictures:,} | {m.nodes} | {numbers} | {what} |")
    return "\n".join(lines)


def verdict(found: list[Measured]) -> tuple[str, bool]:
    """Efficiency of two nodes in words, and whether everything is there once and as it was."""
    by = {m.name: m for m in found}
    same = {m.manifest for m in found if m.name not in ("few", "many")}
    good = len(same) == 1 and not any(m.lost or m.doubled or m.half for m in found)
    nodes, plain = gain(by["one-node"], by["two-nodes"]), gain(by["one-process"], by["two-processes"])
    said = f"Pictures a core-second of two nodes against one: {nodes[0]:.0%} by the wall clock, {nodes[1]:.0%} by "
    said += f"processor time; of two plain processes against one: {plain[0]:.0%}, {plain[1]:.0%}. "
    return said + f"Manifests {'are identical' if len(same) == 1 else 'differ'}.", good


def gain(one: Measured, two: Measured) -> tuple[float, float]:
    """Two workers' pictures a core-second as a share of one's: by the wall clock, and by processor time."""
    return two.rate / two.seconds / 2 / (one.rate / one.seconds), two.rate * one.cpu / max(two.cpu * one.rate, 1e-9)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=480)
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--many", type=int, default=20000, help="0 leaves it out")
    parser.add_argument("--work", type=Path, help="where folders go; a temporary one")
    parser.add_argument("--run", nargs=3, metavar=("NAME", "PICTURES", "NODES"), help=argparse.SUPPRESS)
    parser.add_argument("--killed", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--cheap", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        name, pictures, nodes = asked.run
        try:
            measured = run(name, asked.work, int(pictures), int(nodes), asked.killed, asked.cheap, asked.plain)
        except NoClusterError as error:
            sys.stderr.write(f"{error}\n")
            return NOT_HERE
        sys.stdout.write(json.dumps(asdict(measured)) + "\n")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found = campaign(asked.work or Path(folder), asked.pictures, asked.few, asked.many)
    said, good = verdict(found)
    sys.stdout.write(f"{table(found)}\n\n{said}\n")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
