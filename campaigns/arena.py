"""Where tries happen: worker processes with a limit of time and of memory, watched from outside.

A try fails where anything but a sentence of bauta's comes out, where the worker is killed or does not come back, where
its memory grows beyond the kind's bound, and where a file says what to run and it is run.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import json
import os
import resource
import select
import shutil
import signal
import sys
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from bauta.errors import BautaError

MIB = 1 << 20
GIB = 1 << 30
SECONDS = 10.0  # of the worker's processor time, in one try
PATIENCE = 180.0  # seconds on the clock in which a worker gets no processor time at all: it waits for ever
AT_ALL = 3600.0  # seconds on the clock, in one try, for a worker that waits and works a little; far more than it needs
MADE = b"made"
ADDRESSES = 12 * GIB  # of address space beyond what a worker begins with: protects the machine, not the bound
LONGEST = 4000  # characters of a sentence: some name all that there is


class Kind(ABC):
    """A kind of file, or of request. name: in the table. bound: bytes by which a reader's memory may grow."""

    name: ClassVar[str]
    bound: int = GIB

    def prepare(self, folder: Path) -> None:  # noqa: B027, some have nothing to make
        """Make valid files; `folder` is there as long as the campaign runs."""

    @abstractmethod
    def damaged(self, draw: Random, folder: Path) -> Any:
        """A damaged thing, below an empty folder where it is a file. What is called `witness` there must never be."""

    @abstractmethod
    def read(self, thing: Any) -> None:
        """Hand it to the real reader."""


@dataclass(frozen=True)
class Outcome:
    """What came of a try. verdict: "sentence" (a `BautaError`), "fine" or "failure". memory: growth in bytes."""

    number: int
    verdict: str
    said: str
    seconds: float = 0.0
    memory: int = 0


def tries(kind: Kind, numbers: range, seed: int, folder: Path) -> Iterator[Outcome]:
    """The outcome of each try. Workers are shared between tries; after a failure there is a fresh one."""
    left = list(numbers)
    while left:
        for outcome in _worker(kind, left, seed, folder):
            left = [number for number in left if number > outcome.number]
            shutil.rmtree(folder / f"{kind.name}-{outcome.number}", ignore_errors=True)  # where the worker died
            yield outcome


def drawn(kind: Kind, number: int, seed: int) -> Random:
    """What a try draws from: the same for the same kind, number and seed, in whatever worker."""
    return Random(f"{seed}/{kind.name}/{number}")


def _worker(kind: Kind, numbers: list[int], seed: int, folder: Path) -> Iterator[Outcome]:
    """One process until it has done all, or failed."""
    back, forth = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(back)
            _work(kind, numbers, seed, folder, forth)
            code = 0
        finally:
            os._exit(code)
    os.close(forth)
    try:
        yield from _watched(kind, numbers, child, back)
    finally:
        os.close(back)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _watched(kind: Kind, numbers: list[int], child: int, pipe: int) -> Iterator[Outcome]:
    waiting, text = list(numbers), b""
    watch = Watch(child)
    while waiting:
        ready, _, _ = select.select([pipe], [], [], 0.25)
        if not ready:
            if said := watch.hangs():
                yield Outcome(waiting[0], "failure", said, watch.seconds)
                return
            continue
        came = os.read(pipe, 1 << 16)
        if not came:
            yield Outcome(waiting[0], "failure", f"the process died ({_death(child)})", watch.seconds)
            return
        *lines, text = (text + came).split(b"\n")
        for line in lines:
            watch = Watch(child)
            if line == MADE:
                continue
            outcome = Outcome(**json.loads(line))
            waiting.remove(outcome.number)
            yield outcome
            if outcome.verdict == "failure":
                return


class Watch:
    """How long a try of a process takes. Where others work too, the clock says nothing of it: processor time does."""

    def __init__(self, process: int) -> None:
        self.process, self.began, self.spent = process, time.monotonic(), _processor(process)
        self.moved, self.last = self.began, self.spent

    @property
    def seconds(self) -> float:
        """On the clock, so far."""
        return time.monotonic() - self.began

    def hangs(self) -> str:
        """In words why it does not come back; nothing while it still may."""
        now, used = time.monotonic(), _processor(self.process)
        if used > self.last:
            self.moved, self.last = now, used
        if used - self.spent > SECONDS:
            return f"it hangs: {used - self.spent:.1f} seconds of processor time"
        if now - self.moved > PATIENCE or now - self.began > AT_ALL:
            return f"it waits: {now - self.began:.0f} seconds on the clock, {used - self.spent:.1f} of processor time"
        return ""


def _death(child: int) -> str:
    found = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    return "unknown" if found is None else f"status {found.si_status}"


def _processor(process: int) -> float:
    """Seconds of processor time of a process and of the children that it waited for."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _work(kind: Kind, numbers: list[int], seed: int, folder: Path, pipe: int) -> None:
    """The child: try after try, each told when it is over."""
    warnings.simplefilter("ignore")
    faulthandler.disable()
    sys.addaudithook(_unconnected)
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    if not os.environ.get("BAUTA_CAMPAIGN_LOUD"):
        os.dup2(devnull, 2)  # what native libraries print about damaged files
    most = _memory("VmSize") + ADDRESSES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.freeze()  # what is there already is not looked through after every try
    for number in numbers:
        outcome = once(kind, number, seed, folder, lambda: os.write(pipe, MADE + b"\n"))
        os.write(pipe, json.dumps(asdict(outcome)).encode() + b"\n")
        if outcome.verdict == "failure":
            return


def _unconnected(event: str, _: object) -> None:
    """No try reaches another machine, even where what it reads would need a network's file."""
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise OSError("a campaign opens no connections")


def once(kind: Kind, number: int, seed: int, folder: Path, made: Callable[[], object] = lambda: None) -> Outcome:
    """One try in this process. made: called when the damaged thing is there, and its reader begins."""
    place = folder / f"{kind.name}-{number}"
    shutil.rmtree(place, ignore_errors=True)  # of a worker that was killed
    place.mkdir(parents=True)
    try:
        try:
            thing = kind.damaged(drawn(kind, number, seed), place)
        except Exception as error:
            return Outcome(number, "failure", f"the campaign could not make it: {type(error).__name__}: {error}")
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins here
        made()
        before, began = _memory("VmRSS"), time.process_time()
        verdict, said = _verdict(kind, thing)
        seconds, memory = time.process_time() - began, max(0, _memory("VmHWM") - before)
        if (place / "witness").exists():
            verdict, said = "failure", "what the file says was run"
        elif memory > kind.bound:
            verdict, said = "failure", f"memory grew by {memory / MIB:,.0f} MiB, bound {kind.bound / MIB:,.0f} ({said})"
        return Outcome(number, verdict, said[:2000], seconds, memory)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _verdict(kind: Kind, thing: Any) -> tuple[str, str]:
    try:
        kind.read(thing)
    except BautaError as error:
        text = str(error)
        if not text.strip() or "\n" in text or len(text) > LONGEST:
            return "failure", f"no sentence, but {text[:300]!r} ({len(text)} characters)"
        return "sentence", text
    except BaseException as error:
        return "failure", f"{type(error).__name__}: {str(error)[:300]} at {_where(error)}"
    return "fine", ""


def _where(error: BaseException) -> str:
    """The last lines of bauta that an error came through."""
    places, trace = [], error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "/bauta/" in file:
            places.append(f"{file.rpartition('/bauta/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " < ".join(places[:-4:-1]) or "no line of bauta"


def _memory(field: str) -> int:
    """A field of this process's status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) << 10
    raise RuntimeError(f"This system does not tell {field}; the campaign needs Linux.")
