"""How good the recognizers are that come with bauta, and to whom they are worse.

    python benchmarks/embedded_recognizers.py [NAME ...]

The 1,200 pairs of LFW's last two folds, whose people none of them has learned from, and all pairs of different people
in these folds' pictures. Whoever has labels there is counted by gender. False matches within a race are of UTKFace,
where each face is taken for another person: its pictures were in the training, without names. The teacher stands
beside them; it was trained on MS1M, which may hold anybody. In brackets 95 % intervals from resampling people.
Needs BAUTA_MIRROR; about ten minutes of one core, most of it to align UTKFace.
"""

from __future__ import annotations

import os
import platform
import sys

import torch
from torch import Tensor

from bauta import zoo
from bauta.faces import Pairs, load_dataset
from bauta.faces.datasets.utkface import RACES
from bauta.metrics import Interval, bootstrap, threshold_at_far
from bauta.recognizers import load
from bauta.recognizers.embedding import embed
from bauta.recognizers.folding import folded
from bauta.report import to_markdown
from bauta.study.evaluate import evaluate
from bauta.train.examples import unseen
from bauta.zoo.ours import FOLDS, OURS

TEACHER = "mobilefacenet-relu6-ms1m"
FAR = 1e-3
GENDERS = ("men", "women")
FACES = 600  # of each race: 180,000 pairs

Line = dict[str, object]


def said(found: Interval, digits: int = 2) -> str:
    """A share in percent, with its interval."""
    return f"{100 * found.value:.{digits}f} [{100 * found.low:.{digits}f}, {100 * found.high:.{digits}f}]"


def accepted(templates: Tensor, owners: Tensor, rows: Tensor, threshold: float) -> Interval:
    """The share of pairs of different people among some rows that pass a threshold, over people."""
    templates, owners = templates[rows], owners[rows]
    first, second = torch.triu_indices(len(templates), len(templates), 1)
    other = owners[first] != owners[second]
    first, second = first[other], second[other]
    passed = ((templates[first] * templates[second]).sum(1) > threshold).double()
    pairs = torch.stack([owners[first], owners[second]], 1)
    return bootstrap(lambda p: float(p.mean()), passed, groups=pairs, draws=100)


def by_gender(templates: Tensor, pairs: Pairs, threshold: float) -> Line:
    """False matches and true ones, of men and of women."""
    gender, who = pairs.faces.attributes["gender"], pairs.faces.identity
    assert who is not None
    line: Line = {}
    for place, name in enumerate(GENDERS):
        line[f"false, {name}"] = said(accepted(templates, who, gender == place, threshold), 3)
        same = pairs.same & (gender[pairs.first] == place)
        scores = (templates[pairs.first[same]] * templates[pairs.second[same]]).sum(1)
        passed = (scores > threshold).double()
        line[f"true, {name}"] = said(bootstrap(lambda p: float(p.mean()), passed, groups=who[pairs.first[same]]), 1)
    return line


def spaced(rows: Tensor) -> Tensor:
    """At most `FACES` of these rows, evenly spaced: UTKFace's files are in the order of their ages, babies first."""
    places = torch.linspace(0, len(rows) - 1, min(FACES, len(rows))).round().long()
    return rows[places]


def main() -> None:
    """Print the tables."""
    if zoo.mirror() is None:
        sys.exit("set BAUTA_MIRROR to a folder that holds LFW and UTKFace")
    names = sys.argv[1:] or [*(record.name for record in OURS), TEACHER]
    pairs = unseen("lfw", FOLDS)
    utkface = load_dataset("utkface")
    race = utkface.attributes["race"]
    rows = torch.cat([spaced((race == place).nonzero().flatten()) for place in range(len(RACES))])
    utkface = utkface[rows]
    race = race[rows]
    who = pairs.faces.identity
    assert who is not None
    print(f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}")
    whole: list[Line] = []
    genders: list[Line] = []
    races: list[Line] = []
    for name in names:
        network = folded(load(name))
        found = evaluate(network, pairs)
        whole.append(
            {
                "network": name,
                "accuracy, %": said(found.accuracy),
                "AUC": f"{found.auc.value:.4f}",
                "EER, %": said(found.eer),
                "TAR at FAR 0.01, %": said(found.tar[0.01], 1),
                "threshold": f"{found.threshold:.3f}",
                "weights": f"{sum(p.numel() for p in load(name).parameters()) / 1e6:.2f} M",
            }
        )
        templates = embed(network, pairs.faces)
        first, second = torch.triu_indices(len(templates), len(templates), 1)
        scores, same = (templates[first] * templates[second]).sum(1), who[first] == who[second]
        threshold = threshold_at_far(scores, same, FAR)
        line: Line = {"network": name, "threshold": f"{threshold:.3f}"}
        genders.append(line | by_gender(templates, pairs, threshold))
        seen = embed(network, utkface)
        everybody = torch.arange(len(utkface))
        races.append(
            {"network": name}
            | {kind: said(accepted(seen, everybody, race == place, threshold), 2) for place, kind in enumerate(RACES)}
        )
    print(f"\n{len(pairs)} pairs of people whom none has learned from\n\n{to_markdown(whole)}")
    print(f"\nAt the threshold of a FAR of {FAR}, over all pairs of these {len(pairs.faces)} pictures, %\n")
    print(to_markdown(genders))
    print(f"\nFalse matches within a race at that threshold, {FACES} faces of UTKFace each at most, %\n")
    print(to_markdown(races))


if __name__ == "__main__":
    main()
