"""Faces with made-up labels, laid out as UTKFace and LFW are: who is bright is old, who is red a woman."""

from __future__ import annotations

from pathlib import Path

import torch

from bauta.faces import write_image
from bauta.faces.datasets.lfw import EMOTIONS

UTKFACE, PEOPLE, PAIRED, EACH = 150, 96, 80, 2


def picture(draw: torch.Generator, light: float, red: float, gray: bool) -> torch.Tensor:
    small = 0.3 * torch.rand(3, 7, 7, generator=draw) + 0.5 * light
    small[0] += 0.2 * red
    small = small.mean(0, keepdim=True).expand(3, 7, 7) if gray else small
    return torch.nn.functional.interpolate(small[None], (112, 112), mode="bilinear")[0].clamp(0, 1)


def utkface(folder: Path) -> Path:
    """160 files with age, gender and race in their names; nobody is named."""
    folder.mkdir(parents=True)
    draw = torch.Generator().manual_seed(5)
    for i in range(UTKFACE):
        age, gender, race = 1 + (i * 7) % 80, i % 2, (i // 2) % 2
        name = f"{age}_{gender}_{race}_201701091930{i:05}.jpg.chip.png"
        write_image(folder / name, picture(draw, age / 80, gender, gray=False))
    return folder


def lfw(folder: Path) -> Path:
    """96 people, two gray pictures each; five folds of pairs over 80 of them."""
    draw = torch.Generator().manual_seed(6)
    names = [f"Nobody_{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(PEOPLE)]
    rows = ["file,gender,emotion," + ",".join(f"x{i},y{i}" for i in range(1, 6))]
    for person, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for shot in range(1, EACH + 1):
            file = f"{name}_{shot:04}.png"
            write_image(folder / name / file, picture(draw, shot / EACH, person % 2, gray=True))
            rows.append(f"{file},{'MF'[person % 2]},{EMOTIONS[(3, 6)[shot - 1]]}," + ",".join(["50"] * 10))
    (folder / "lfw_index.csv").write_text("\n".join(rows) + "\n")
    pairs = [f"5\t{PAIRED // 10}"]
    for fold in range(5):
        there = names[16 * fold : 16 * fold + 16]
        pairs += [f"{name}\t1\t2" for name in there[:8]]
        pairs += [f"{a}\t1\t{b}\t2" for a, b in zip(there[:8], there[8:], strict=True)]
    (folder / "pairs.txt").write_text("\n".join(pairs) + "\n")
    return folder
