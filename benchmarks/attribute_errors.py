"""How often bauta's own attribute network is wrong, and about whom, beside the third parties' networks.

    python benchmarks/attribute_errors.py            # of the weights that come with bauta
    python benchmarks/attribute_errors.py runs/mine  # of a folder of `bauta train attributes`

On the faces that its training held out: a fifth of UTKFace's files, and the people of LFW's last two folds. All three
networks read the same aligned pictures; UTKFace is read as gray pictures too. In brackets 95 % intervals, from
resampling people (LFW), or faces where nobody knows who is who (UTKFace). The third party that reads age and gender
learned from UTKFace, perhaps from these very faces. About two minutes on one core, half of it to align UTKFace. A data
set or a network that is not here is named and left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.errors import MissingData, MissingWeights, UsageError
from bauta.estimators import Estimator, estimator, read_attributes
from bauta.faces.datasets.lfw import EMOTIONS
from bauta.faces.datasets.utkface import RACES
from bauta.metrics import Interval, bootstrap
from bauta.metrics.attribute import balanced_accuracy, blind_error, macro_auc, years_apart
from bauta.metrics.draws import mean_interval
from bauta.report import to_markdown
from bauta.train.attributing import divided, guesses
from bauta.types import Faces

OURS, AGE_GENDER, EMOTION = "bauta-attributes", "age-gender", "emotion"
GENDERS = ("men", "women")
AGES = ((0, 9), (10, 19), (20, 39), (40, 59), (60, 116))
COPY = 0.98
FEWEST = 10  # faces of a group that a line is worth

Line = dict[str, object]
Said = Mapping[str, Mapping[str, Tensor]]  # network -> attribute -> (N, K)
Groups = dict[str, Tensor]  # name -> (N,) bool


def mean(values: Tensor, owners: Tensor | None, rows: Tensor) -> Interval:
    """The mean over a group."""
    return mean_interval(values[rows], None if owners is None else owners[rows])


def lines(wrong: Mapping[str, Tensor], groups: Groups, owners: Tensor | None) -> Iterator[Line]:
    """A line a group: the mean of what each network gets wrong, (N,) a network."""
    for name, rows in groups.items():
        if int(rows.sum()) >= FEWEST:
            yield {"faces": name} | {who: mean(v, owners, rows) for who, v in wrong.items()} | {"n": int(rows.sum())}


def utkface_groups(faces: Faces) -> Groups:
    """All, by age, gender and race, and gender within each age and race."""
    age, gender, race = (faces.attributes[name] for name in ("age", "gender", "race"))
    ages = {f"aged {low} to {high}": (age >= low) & (age <= high) for low, high in AGES}
    races = {name: race == place for place, name in enumerate(RACES)}
    genders = {name: gender == place for place, name in enumerate(GENDERS)}
    both = {f"{a}, {b}": ages[a] & genders[b] for a in ages for b in genders}
    both |= {f"{a}, {b}": races[a] & genders[b] for a in races for b in genders}
    return {"all": age >= 0, **ages, **genders, **races, **both}


def copied(held: Faces, learned: Faces) -> Tensor:
    """(N,) bool: whether a face held out has a near copy among the learned: gray thumbnails correlate above `COPY`."""
    sides = []
    for faces in (held, learned):
        small = F.adaptive_avg_pool2d(faces.images.mean(1, keepdim=True), 16).flatten(1)
        sides.append(F.normalize(small - small.mean(1, keepdim=True)))
    return (sides[0] @ sides[1].T).amax(1) > COPY


def confusion(logits: Tensor, labels: Tensor, names: Mapping[int, str]) -> Iterator[Line]:
    """A line a class: of how many of its faces each class is said."""
    said = logits.argmax(1)
    for place, name in names.items():
        rows = labels == place
        shares = {f"said {other}": float((said[rows] == k).double().mean()) for k, other in names.items()}
        yield {"labelled": name, "n": int(rows.sum()), **shares}


def classes(
    said: Said, attribute: str, labels: Tensor, names: Mapping[int, str], owners: Tensor | None
) -> Iterator[Line]:
    """The accuracy within each class, their mean, and the macro AUC."""
    known = torch.isin(labels, torch.tensor([*names]))
    wanted = {who: found[attribute][known] for who, found in said.items() if attribute in found}
    truth, whose = labels[known], None if owners is None else owners[known]
    for place, name in names.items():
        rows = truth == place
        right = {who: mean(logits.argmax(1) == truth, whose, rows) for who, logits in wanted.items()}
        yield {"measure": f"accuracy of {name}", **right, "n": int(rows.sum())}
    for measure, score in (("balanced accuracy", balanced_accuracy), ("macro AUC", macro_auc)):
        found = {who: bootstrap(score, logits, truth, groups=whose) for who, logits in wanted.items()}
        yield {"measure": measure, **found, "n": len(truth)}


def table(title: str, made: Iterator[Line] | list[Line], digits: int = 3) -> None:
    """Print one."""
    print(f"\n### {title}\n")
    print(to_markdown([*made], digits=digits))


def utkface(networks: Mapping[str, Estimator]) -> None:
    """Age, gender and race."""
    learned, faces = divided("utkface")
    plain = replace(faces, images=faces.images.mean(1, keepdim=True).expand_as(faces.images))
    said: dict[str, dict[str, Tensor]] = {}
    for name, network in networks.items():
        said |= {name: guesses(network, faces), f"{name}, gray": guesses(network, plain)}
    age, gender, race = (faces.attributes[name] for name in ("age", "gender", "race"))
    twice = copied(faces, learned)
    groups = utkface_groups(faces) | {"with a near copy among the learned": twice, "without": ~twice}
    years = {who: years_apart(found["age"], age) for who, found in said.items() if "age" in found}
    table(
        f"Age: mean error in years; the median age alone is off by {blind_error(age):.1f}",
        lines(years, groups, None),
        2,
    )
    wrong = {who: found["gender"].argmax(1) != gender for who, found in said.items() if "gender" in found}
    table("Gender: share that is read wrongly", lines(wrong, groups, None))
    names = dict(enumerate(RACES))
    table("Race", classes(said, "race", race, names, None))
    table("Race: what is said of whom", confusion(said[OURS]["race"], race, names), 2)


def lfw(networks: Mapping[str, Estimator]) -> None:
    """Gender and emotion of gray pictures."""
    _, faces = divided("lfw")
    said = {name: guesses(network, faces) for name, network in networks.items()}
    gender, emotion = faces.attributes["gender"], faces.attributes["emotion"]
    groups = {"all": gender >= 0} | {name: gender == place for place, name in enumerate(GENDERS)}
    wrong = {who: found["gender"].argmax(1) != gender for who, found in said.items() if "gender" in found}
    table("Gender on LFW: share that is read wrongly", lines(wrong, groups, faces.identity))
    there = {place: name for place, name in enumerate(EMOTIONS) if int((emotion == place).sum()) >= FEWEST}
    table("Emotion on LFW", classes(said, "emotion", emotion, there, faces.identity))
    table("Emotion: what is said of whom", confusion(said[OURS]["emotion"], emotion, there), 2)
    happy, neutral = EMOTIONS.index("happiness"), EMOTIONS.index("neutral")
    two = (emotion == happy) | (emotion == neutral)
    apart = {
        who: (found["emotion"][:, happy] > found["emotion"][:, neutral]) == (emotion == happy)
        for who, found in said.items()
        if "emotion" in found
    }
    table("Happy or neutral: share that is told apart rightly", lines(apart, {"either": two}, faces.identity))


def main() -> int:
    networks: dict[str, Estimator] = {}
    for name in (OURS, AGE_GENDER, EMOTION):
        try:
            own = name == OURS and len(sys.argv) > 1
            networks[name] = read_attributes(sys.argv[1]) if own else estimator(name)
        except MissingWeights as error:
            print(f"{name} is left out: {error}")
    if OURS not in networks:
        raise UsageError("Without bauta's own network there is nothing to measure.")
    for measure in (utkface, lfw):
        try:
            measure(networks)
        except MissingData as error:
            print(f"{measure.__name__} is left out: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
