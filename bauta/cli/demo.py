"""`bauta demo`: the main job from end to end, on people who do not exist and networks that come with bauta."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

AUTHORIZED = "bauta-residual"
TEAM = ("bauta-residual", "bauta-ir")  # the mask is made against these; bauta-plain knows nothing of it
PEOPLE, VIEWS = 120, 5
SHOWN = 6  # people whose pictures are protected one by one
PAIRS, BUDGET = 60, 140.0  # of the audit, and its seconds
MASKED = 12  # epochs of the mask


def demo(
    out: Annotated[Path, typer.Option("--out", help="Where everything goes: a new folder.")] = Path("out/demo"),
    real: Annotated[bool, typer.Option("--real", help="On the photos in BAUTA_MIRROR, for its first network.")] = False,
) -> None:
    """Protect, mask, attack and audit, in three minutes, without anybody's face.

    People are drawn who do not exist. PMT makes their pictures useful for one recognizer only, a mask hides one person
    from others, and an audit attacks both, and PartialFace, which sends a few frequencies of a picture: it
    reconstructs, links, and guesses who is a man or a woman.
    """
    if real:
        photographs(out)
    else:
        nobodies(out)


def photographs(out: Path) -> None:
    """PMT on the photos of the mirror. Raises `MissingData` where there are none."""
    from bauta import zoo
    from bauta.cli.protect import run
    from bauta.errors import MissingData

    mirror = zoo.mirror()
    photos = None if mirror is None else mirror / "photos"
    if photos is None or not photos.is_dir():
        raise MissingData("Real photos and weights are missing: set BAUTA_MIRROR to a folder that holds them.")
    # a photo of the set may hold faces too small to recognize; the demo shows that, and fails for nothing else
    run(photos, [zoo.WEIGHTS[0].name], out)


def nobodies(out: Path, *, number: int = PEOPLE, views: int = VIEWS, budget: float = BUDGET) -> None:
    """The whole job on so many people, with so many seconds for the audit. Raises `UsageError` where the folder holds
    something."""
    from bauta.cli import generator, mask
    from bauta.cli.audit import show, with_bar
    from bauta.cli.protect import run
    from bauta.report.auditing import written
    from bauta.study.audit.asking import asked
    from bauta.study.audit.request import Request

    begun = time.perf_counter()
    people = out / "people"
    step(1, f"{number} people who do not exist, {views} pictures of each, drawn by the face prior of bauta.")
    generator.people(people, number, views)
    first = sorted(people.glob("nobody-*"))

    step(2, f"PMT: pictures of {SHOWN} of them that only {AUTHORIZED} can use; everybody else sees noise.")
    few = out / "few"
    for person in first[:SHOWN]:
        picture = min(person.iterdir())
        (few / person.name).mkdir(parents=True, exist_ok=True)
        (few / person.name / picture.name).write_bytes(picture.read_bytes())
    run(few, [AUTHORIZED], out / "pmt", aligned=True)

    step(3, f"A mask for {first[0].name} against {' and '.join(TEAM)}: to people the face stays as it is.")
    key = out / "nobody.mask"
    mask.learn(first[0], key, list(TEAM), epochs=MASKED, aligned=True)
    mask.apply(key, [str(first[0])], str(out / "masked"), aligned=True, face="all")

    step(
        4,
        f"An audit of both and of PartialFace, whose server came with bauta, in {budget:.0f} seconds: reconstruction, "
        "linkage, attributes, by who knows what.",
    )
    protections = [asked(text, ()) for text in ("PMT()", "TransferMask(epochs=6)", "bauta-partialface")]
    found = with_bar(Request(protections, AUTHORIZED, people, out / "audit", pairs=PAIRS, budget=budget))
    show(found, written(found))
    sys.stdout.write(
        f"\nDone in {time.perf_counter() - begun:.0f} seconds. Look at {out}: people/, pmt/, masked/, and open "
        f"{out / 'audit' / 'report.html'} in a browser.\n"
    )


def step(number: int, sentence: str) -> None:
    """One plain sentence before each step."""
    sys.stdout.write(f"\n{number}. {sentence}\n\n")
    sys.stdout.flush()
