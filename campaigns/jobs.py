"""The commands that `campaigns.kills` kills: what they are given, and what must come out of them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image
from safetensors.torch import load

TIMES = {"seconds", "client's milliseconds"}


class Job:
    """Base. command: what is typed; prepare: makes what it is given, once."""

    def prepare(self, given: Path) -> None:
        """Make the inputs."""

    def before(self, whole: Path | None, out: Path) -> None:
        """What lies in `out` before the first start. whole: the undisturbed run's, where there was one already."""

    def command(self, given: Path, out: Path) -> list[str]:
        """What is typed, also to go on."""
        raise NotImplementedError

    def finished(self, out: Path) -> bool:
        """Whether a run that was killed had nothing left to do, where the command refuses to do it again."""
        return False

    def outputs(self, out: Path) -> dict[str, str]:
        """Name -> digest of all that must be the same in the end."""
        return {str(p.relative_to(out)): digest(p) for p in sorted(files(out))}

    def half(self, out: Path) -> list[str]:
        """Files of an ordinary name that are not whole."""
        return [str(path.relative_to(out)) for path in files(out) if broken(path)]


def files(folder: Path) -> list[Path]:
    """All files below a folder but hidden ones, which are nobody's business: locks, and what is being written."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def digest(path: Path) -> str:
    """Of a file's content, without how long things took."""
    content = path.read_bytes()
    if path.suffix == ".csv":
        rows = csv.DictReader(io.StringIO(content.decode()))
        content = json.dumps([{k: v for k, v in row.items() if k not in TIMES} for row in rows]).encode()
    if path.suffix == ".jsonl":
        content = "\n".join(sorted(line for line in content.decode().splitlines() if timeless(line))).encode()
    if path.name == "recipe.json":
        said = json.loads(content)
        content = json.dumps(said | {"reached": {k: v for k, v in said["reached"].items() if k not in TIMES}}).encode()
    return hashlib.sha256(content).hexdigest()


def timeless(line: str) -> bool:
    """Whether a row says anything but how long something took."""
    return json.loads(line).get("metric") not in TIMES


def broken(path: Path) -> bool:
    """Whether a file cannot be read to its end. Of rows that are appended, the last may be half: readers know it."""
    try:
        content = path.read_bytes()
        if path.suffix == ".png":
            with Image.open(path) as picture:
                picture.load()
        elif path.suffix in (".safetensors", ".mask"):
            load(content)
        elif path.suffix == ".json":
            json.loads(content)
        elif path.suffix == ".jsonl":
            for line in content.decode(errors="replace").split("\n")[:-1]:
                json.loads(line)
        elif path.suffix in (".csv", ".md", ".txt", ".html"):
            return not content.endswith(b"\n")
    except Exception:  # whatever a reader raises, the file is not whole
        return True
    return False


def bauta(*words: object) -> list[str]:
    """A command as it is typed, in this Python."""
    return [sys.executable, "-c", "from bauta.cli import main; main()", *map(str, words)]


def typed(words: list[str]) -> None:
    """Run a command that prepares something."""
    subprocess.run(words, check=True, capture_output=True)


def people(folder: Path, number: int, views: int) -> Path:
    """Pictures of people who do not exist."""
    typed(bauta("generator", "people", "-o", folder, "-n", number, "--views", views))
    return folder


class Protect(Job):
    """PMT on twelve faces, without the proof."""

    def prepare(self, given: Path) -> None:
        people(given / "people", 4, 3)

    def command(self, given: Path, out: Path) -> list[str]:
        asked = ["--for", "bauta-residual", "--aligned", "--steps", 4, "--no-proof", "--seed", 7, "--device", "cpu"]
        return bauta("protect", given / "people", *asked, "--out", out)


class LearnMask(Job):
    """A mask for somebody, ten epochs."""

    def prepare(self, given: Path) -> None:
        people(given / "people", 1, 6)

    def command(self, given: Path, out: Path) -> list[str]:
        asked = ["--team", "bauta-plain", "--aligned", "--epochs", 10, "--seed", 7, "--device", "cpu"]
        out.mkdir(exist_ok=True)
        return bauta("mask", "learn", given / "people", *asked, "-o", out / "nobody.mask")

    def finished(self, out: Path) -> bool:
        return (out / "nobody.mask").exists()  # it is written whole or not at all, and never written over


class ApplyMask(LearnMask):
    """A mask put on a folder."""

    def prepare(self, given: Path) -> None:
        super().prepare(given)
        typed(super().command(given, given))

    def command(self, given: Path, out: Path) -> list[str]:
        asked = ["--aligned", "--face", "all", "--overwrite"]
        return bauta("mask", "apply", given / "nobody.mask", given / "people", *asked, "--out", out)


class ProtectFeatures(Job):
    """Noise on a database of features."""

    def prepare(self, given: Path) -> None:
        people(given / "people", 60, 4)
        typed(bauta("features", given / "people", "--recognizer", "bauta-plain", "--out", given / "db.safetensors"))

    def command(self, given: Path, out: Path) -> list[str]:
        out.mkdir(exist_ok=True)
        asked = ["--protection", "GaussianNoise(0.1)", "--recognizer", "bauta-plain", "--seed", 7, "--overwrite"]
        written = ["-o", out / "protected.safetensors", "--learned", out / "key.safetensors"]
        return bauta("protect-features", given / "db.safetensors", *written, *asked, "--batch", 1, "--device", "cpu")


class Train(Job):
    """A small recognizer, a checkpoint every other step."""

    def prepare(self, given: Path) -> None:
        people(given / "people", 40, 4)

    def command(self, given: Path, out: Path) -> list[str]:
        network = ["--arch", "compact_bottleneck", "--option", "widths=(16,32)", "--option", "units=(1,1)"]
        asked = ["--head", "Softmax", "--epochs", 3, "--batch", 16, "--save-steps", 2, "--device", "cpu", "--resume"]
        return bauta("train", "recognizer", "--data", given / "people", *network, *asked, "-o", out)

    def outputs(self, out: Path) -> dict[str, str]:
        return {name: found for name, found in super().outputs(out).items() if not name.startswith("checkpoint")}


class Study(Job):
    """PMT with the networks that come with bauta, in small."""

    def prepare(self, given: Path) -> None:
        people(given / "people", 40, 3)

    def command(self, given: Path, out: Path) -> list[str]:
        asked = ["--quick", "--data", given / "people", "--pairs", 20, "--device", "cpu"]
        return bauta("study", "run", "pmt-embedded", *asked, "--out", out)

    def outputs(self, out: Path) -> dict[str, str]:
        return {"rows.jsonl": digest(out / "rows.jsonl")}


class Audit(Study):
    """An audit whose plan was made before: how much fits into a time is another question."""

    def before(self, whole: Path | None, out: Path) -> None:
        if whole is not None:
            out.mkdir()
            shutil.copy(whole / "settings.json", out)

    def command(self, given: Path, out: Path) -> list[str]:
        asked = ["--protection", "JPEG(30)", "--protection", "GaussianNoise(0.3)", "--recognizer", "bauta-plain"]
        attack = ["--attack", "Purify(ForeignRecognizer('bauta-ir'), 'blur 1')", "--attack", "Comparison()"]
        size = ["--pairs", 20, "--budget", "10m", "--no-faces"]
        return bauta("audit", "--data", given / "people", *asked, *attack, *size, "--out", out)


class Download(Job):
    """A file of 64 MB over a slow line, from this machine."""

    size, pause = 2**26, 0.01

    def prepare(self, given: Path) -> None:
        from random import Random

        (given / "served").mkdir()
        (given / "served" / "file.bin").write_bytes(Random(0).randbytes(self.size))
        self.sha256 = digest(given / "served" / "file.bin")
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Slow, directory=str(given / "served")))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def command(self, given: Path, out: Path) -> list[str]:
        address = f"http://127.0.0.1:{self.server.server_address[1]}/file.bin"
        text = (
            "import os; os.environ['BAUTA_HOME'] = {home!r}\n"
            "from bauta.zoo.download import download; from bauta.zoo.records import File\n"
            "download(File('file.bin', ({address!r},), {sha256!r}))"
        )
        return [sys.executable, "-c", text.format(home=str(out), address=address, sha256=self.sha256)]

    def outputs(self, out: Path) -> dict[str, str]:
        return {path.name: digest(path) for path in files(out) if path.name == "file.bin"}

    def half(self, out: Path) -> list[str]:
        return [path.name for path in files(out) if path.name == "file.bin" and digest(path) != self.sha256]


class Slow(SimpleHTTPRequestHandler):
    """Serves a file a megabyte at a time, from the byte that is asked for."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nobody wants to read it."""

    def do_GET(self) -> None:
        import contextlib
        import time

        content = Path(self.translate_path(self.path)).read_bytes()
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", '"whole"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        with contextlib.suppress(OSError):  # whoever asked was killed
            for at in range(start, len(content), 2**20):
                self.wfile.write(content[at : at + 2**20])
                time.sleep(Download.pause)


JOBS: dict[str, Callable[[], Job]] = {
    "protect": Protect,
    "mask learn": LearnMask,
    "mask apply": ApplyMask,
    "protect-features": ProtectFeatures,
    "train": Train,
    "study": Study,
    "audit": Audit,
    "download": Download,
}
