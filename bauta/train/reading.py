"""What an attribute network's training minimizes: four losses, each over the faces whose label is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.errors import UsageError
from bauta.estimators.embedded import BautaAttributes
from bauta.train.batches import Batch
from bauta.train.objective import Minimized
from bauta.types import Images

__all__ = ["Reading", "varied"]

LEAST = 50  # faces of a class, or nobody could learn it
SPREAD = 2.0  # years, of the distribution that stands for an age
LIGHT = 0.2  # brightness and contrast, times 1 ± so much
UNKNOWN = -1


class Reading(Minimized):
    """Batch -> {age, gender, race, emotion}, whose sum is minimized; rows without a label are passed over in that loss.

    network: to be trained; it is told which classes it is taught. labels: of each of the sets that are joined, in their
    order, attribute -> (N,), negative where nobody knows; a set may lack an attribute.

    Classes: the cross-entropy of the logits plus the logarithm of each class's share *in the row's own set* (Menon et
    al., Long-tail learning via logit adjustment, ICLR 2021), so that the logits themselves favor neither the frequent
    classes nor the set's: that LFW is gray and three quarters men says nothing of a face. Age: the cross-entropy to a
    normal distribution around it, and the mean's error (Gao et al., IJCAI 2018), `years` times as much in all.

    A color picture is made gray with a chance of a half, so that gray is no sign of a set.
    """

    priors: Mapping[str, Tensor]

    def __init__(self, network: BautaAttributes, labels: Sequence[Mapping[str, Tensor]], *, years: float = 0.1) -> None:
        super().__init__()
        self.network, self.years = network, years
        sizes = [len(next(iter(one.values()))) if one else 0 for one in labels]
        self.sets = torch.arange(len(labels)).repeat_interleave(torch.tensor(sizes))
        self.labels, self.priors = {}, {}
        for name, values in network.classes.items():
            column = torch.cat(
                [one.get(name, torch.full((size,), UNKNOWN)).long() for one, size in zip(labels, sizes, strict=True)]
            )
            if values:
                counts = torch.bincount(column[(column >= 0) & (column < len(values))], minlength=len(values))
                taught = counts >= LEAST
                column = torch.where(torch.isin(column, taught.nonzero().flatten()), column, UNKNOWN)
                getattr(network, f"taught_{name}").copy_(taught)
                self.priors[name] = torch.stack(
                    [shares(column[self.sets == part], len(values)) for part in range(len(labels))]
                )
            if len(torch.unique(column[column >= 0])) < 2:
                raise UsageError(
                    f"These sets do not teach {name}: give sets that between them know age, gender, race and emotion "
                    f"of enough faces ({LEAST} of a class), as utkface and lfw."
                )
            self.labels[name] = column

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        images = varied(batch.faces.images)
        device = images.device
        found = self.network.read(images)
        losses = {}
        for name, logits in found.items():
            labels = self.labels[name][batch.rows].to(device)
            known = labels >= 0
            if not known.any():
                losses[name] = logits.sum() * 0
            elif name in self.priors:
                prior = self.priors[name][self.sets[batch.rows]].to(device)
                losses[name] = F.cross_entropy((logits + prior)[known], labels[known])
            else:
                losses[name] = self.years * self.age(logits[known], labels[known].float())
        return losses

    def age(self, logits: Tensor, age: Tensor) -> Tensor:
        """The distribution's cross-entropy, and how far its mean is off."""
        wanted = (-((self.network.years - age[:, None]) ** 2) / (2 * SPREAD**2)).softmax(1)
        return F.cross_entropy(logits, wanted) + (self.network.mean_age(logits) - age).abs().mean()


def shares(column: Tensor, classes: int) -> Tensor:
    """(K,) the logarithm of each class's share of the labels, far below all others where there is none."""
    counts = torch.bincount(column[column >= 0], minlength=classes).double()
    return (counts / counts.sum().clamp_min(1)).clamp_min(1e-12).log().float()


def varied(images: Images) -> Images:
    """Each picture in another light, gray with a chance of a half; the draws are the global generator's."""
    gray, light, contrast = torch.rand(3, len(images), 1, 1, 1, device=images.device)
    plain = images.mean(1, keepdim=True)
    seen = torch.where(gray < 0.5, plain, images)
    middle = plain.mean((2, 3), keepdim=True)
    changed: Images = ((seen - middle) * (1 + LIGHT * (2 * contrast - 1)) + middle) * (1 + LIGHT * (2 * light - 1))
    return changed.clamp(0, 1)
