"""A release and what vouches for it: `python -m campaigns.release` (`make release`).

The wheel is built twice from the last commit, in folders of other names, with other clocks, masks and hash seeds, and
must come out the same, byte for byte. Beside it in `out/release/`: what was installed when it was made, as an SBOM
(CycloneDX), and the SHA-256 of both files, which `sha256sum --check` reads.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parents[1]
SUMS, SBOM = "SHA256SUMS", "bauta.cdx.json"
ROUNDS: tuple[Mapping[str, str], ...] = (
    {"TZ": "UTC", "PYTHONHASHSEED": "1", "LC_ALL": "C"},
    {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "2", "LC_ALL": "C.UTF-8"},
)
MASKS = (0o022, 0o077)  # of the files that are laid out to be built


def ran(*words: str, folder: Path = HERE, given: Mapping[str, str] | None = None) -> bytes:
    """What a command prints. Raises `RuntimeError` where it fails."""
    done = subprocess.run(words, cwd=folder, env={**os.environ, **(given or {})}, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} failed: {(done.stderr or done.stdout).decode(errors='replace')[-1000:]}")
    return done.stdout


def laid_out(commit: str, folder: Path, mask: int) -> None:
    """The files of a commit, made with a mask."""
    before = os.umask(mask)
    try:
        with tarfile.open(fileobj=io.BytesIO(ran("git", "archive", commit))) as archive:
            for part in archive:
                part.mode &= ~mask
                archive.extract(part, folder, filter="tar")
    finally:
        os.umask(before)


def built(commit: str, folder: Path, given: Mapping[str, str], mask: int) -> Path:
    """The wheel of a commit, made in a folder of its own; its time is the commit's."""
    laid_out(commit, folder / "tree", mask)
    when = ran("git", "log", "-1", "--format=%ct", commit).decode().strip()
    command = (sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "dist"))
    ran(*command, folder=folder / "tree", given={**given, "SOURCE_DATE_EPOCH": when})
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def same_twice(commit: str, place: Path) -> Path:
    """The wheel of a commit, if both makings of it are the same. Raises `RuntimeError`."""
    names = ("one", "a folder of another name")
    wheels = [built(commit, place / n, given, mask) for n, given, mask in zip(names, ROUNDS, MASKS, strict=True)]
    first, second = (wheel.read_bytes() for wheel in wheels)
    if first != second or wheels[0].name != wheels[1].name:
        raise RuntimeError(f"{wheels[0].name} is not the same twice: {len(first):,} and {len(second):,} bytes differ.")
    return wheels[0]


def bill(path: Path) -> None:
    """What is installed in this environment, with the packages that bauta itself needs, as CycloneDX."""
    about = (
        "--pyproject",
        str(HERE / "pyproject.toml"),
        "--mc-type",
        "library",
        "--output-reproducible",
        "--no-validate",
    )
    ran(sys.executable, "-m", "cyclonedx_py", "environment", *about, "--output-file", str(path), sys.executable)


def main(words: Sequence[str] | None = None) -> int:
    """The command line."""
    ask = argparse.ArgumentParser(prog="python -m campaigns.release", description=(__doc__ or "").split("\n\n")[0])
    ask.add_argument("--out", type=Path, default=HERE / "out" / "release")
    ask.add_argument("--commit", default="HEAD")
    said = ask.parse_args(words)
    if ran("git", "status", "--porcelain").strip():
        print("The tree has changes that are in no commit; they are not in the wheel.")
    said.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bauta-release-") as place:
        wheel = Path(shutil.copy(same_twice(said.commit, Path(place)), said.out))
    bill(said.out / SBOM)
    files = [wheel, said.out / SBOM]
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (said.out / SUMS).write_text("".join(sums))
    print("The wheel is the same twice.\n" + "".join(sums), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
