"""Whether several masks a person withstand averaging: N masks, a photo under one of them, drawn by content and key.

    python benchmarks/mask_variants.py [METHOD] [PEOPLE]

Masks of people of the celebrity set are learned from 12 photos each (30 epochs), one a person and four a person; 12
other photos of each are protected, as PNG. Cosines are to the person's clean center under a network outside of the
team, and rank-1 is of the clean centers of all twelve people. Then

* averaging: the photos' mean, less its blur, is subtracted from each of them (`Averaging`);
* sorted first: the attacker knows which photos share a mask and averages those alone, as fine detail that correlates
  from photo to photo may tell him: AUC says how well it does, without the key;
* remade: the attacker has 12 further photos of the person, learns one mask from them against the same team with
  another seed, and subtracts it. Its cosine to the nearest of the key's masks is printed, and how many of the photos it
  would take for its own.

The key finds which mask a photo carries, in place, on PNG and JPEG 75. METHOD: TransferMask (default) or P3Mask.

Needs BAUTA_MIRROR; two people take about four minutes of one core.
"""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.attacks import Averaging, Victim
from bauta.faces import load_dataset, through_jpeg
from bauta.job.maskfile import MaskFile
from bauta.job.maskkey import CARRIED, chance, fine
from bauta.job.maskmaking import MaskMaking
from bauta.job.portraits import Portraits, embedded
from bauta.ops.quantize import to_8bit
from bauta.ops.similarity import structural_similarity
from bauta.pipeline import Pipeline
from bauta.protections.images.p3mask import P3Mask
from bauta.protections.images.team import Team
from bauta.protections.images.transfermask import TransferMask
from bauta.recognizers import load
from bauta.types import Images

METHODS = {"TransferMask": TransferMask, "P3Mask": P3Mask}
TEAM, JUDGE = ("mobilefacenet-casia", "mobilefacenet-relu6-ms1m"), "mobilefacenet-y1-ms1m"
LEARNED, TESTED, EPOCHS = 12, 12, 30


def attacked(leak: Images, accounts: Tensor, judge: Pipeline) -> Images:
    """The photos after `Averaging` by account."""
    attack = Averaging()
    return to_8bit(attack(leak, Victim(judge, attack.knowledge, held={"accounts": accounts})))


def sorting(leak: Images, carried: Tensor) -> float:
    """How well the correlation of two photos' fine detail tells, without the key, whether they share a mask: AUC."""
    units = F.normalize(fine(leak).flatten(1), dim=1)
    first, second = torch.triu_indices(len(leak), len(leak), 1)
    found, same = (units @ units.T)[first, second], carried[first] == carried[second]
    if bool(same.all()) or not bool(same.any()):
        return float("nan")
    return float((found[same][:, None] > found[~same][None]).float().mean())


def main() -> int:
    """Print the table."""
    method = METHODS[sys.argv[1] if len(sys.argv) > 1 else "TransferMask"]
    people = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    print(f"{platform.machine()}, {torch.get_num_threads()} threads; {method.__name__}, {EPOCHS} epochs")
    started = time.perf_counter()
    known, team, recognizer = load_dataset("celeb12"), Team(*map(load, TEAM)), load(JUDGE)
    assert known.identity is not None
    rows = [(known.identity == person).nonzero().flatten() for person in range(12)]
    centers = F.normalize(torch.stack([embedded(recognizer, list(known.images[r[:LEARNED]])).mean(0) for r in rows]))
    columns = ("clean", "protected", "averaged", "sorted first", "remade")
    heads = "".join(f"{name:>20}" for name in columns)
    print(f"{'person':>6}{'masks':>6}{heads}{'SSIM':>7}{'alike':>7}{'AUC':>6}{'found':>12}{'remade is':>16}")
    with tempfile.TemporaryDirectory() as place:
        for person in range(people):
            images, new = known.images[rows[person][:LEARNED]], known.images[rows[person][LEARNED:][:TESTED]]
            others = known.images[rows[person][LEARNED + TESTED :][:LEARNED]]
            his = MaskMaking(method(epochs=EPOCHS, seed=1), Path(place) / f"{person} his.mask")
            remade = his.run(Portraits(others, ["other"], centers[person], {}), team, lambda _: None).masks[0]
            for variants in (1, 4):
                making = MaskMaking(method(epochs=EPOCHS), Path(place) / f"{person} {variants}.mask", variants=variants)
                mask = making.run(Portraits(images, ["photo"], centers[person], {}), team, lambda _: None)
                carried = torch.tensor([mask.drawn(photo) for photo in new])
                leak = to_8bit((new + mask.masks[carried - 1]).clamp(0, 1))
                account = torch.zeros(len(leak), dtype=torch.long)
                shown = (new, leak, *(attacked(leak, who, Pipeline(recognizer)) for who in (account, carried)))
                shown = (*shown, to_8bit((leak - remade).clamp(0, 1)))
                near = float(F.cosine_similarity(mask.masks.flatten(1), remade.flatten()[None]).max())
                taken = sum(chance(photo, remade) > CARRIED for photo in leak)
                line = ""
                for pictures in shown:
                    cosines = embedded(recognizer, list(pictures)) @ centers.T
                    rank = float((cosines.argmax(1) == person).float().mean())
                    line += f"{float(cosines[:, person].mean()):13.3f} ({rank:.2f})"
                similarity = float(structural_similarity(new, leak).mean())
                right = [found(leak, mask, carried), found(through_jpeg(leak, 75), mask, carried)]
                print(
                    f"{person:6}{variants:6}{line}{similarity:7.3f}{mask.alike:7.2f}{sorting(leak, carried):6.2f}"
                    f"{right[0]:6}{right[1]:3}/{len(leak)}{near:12.2f}{taken:4}"
                )
                sys.stdout.flush()
    print(f"{time.perf_counter() - started:.0f} s in all")
    return 0


def found(photos: Images, mask: MaskFile, carried: Tensor) -> int:
    """In how many photos the key finds the mask that they carry, and no other before it."""
    right = 0
    for photo, variant in zip(photos, carried.tolist(), strict=True):
        z = torch.tensor([chance(photo, one) for one in mask.masks])
        right += int(float(z.max()) > CARRIED and int(z.argmax()) + 1 == variant)
    return right


if __name__ == "__main__":
    sys.exit(main())
