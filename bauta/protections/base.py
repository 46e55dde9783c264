"""A protection rewrites one stage of a face-recognition system."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from bauta.errors import UsageError
from bauta.recognizers.base import Recognizer
from bauta.types import Faces, Stage


class Protection(nn.Module):
    """Base of all protections; its subclass says which stage it rewrites.

    `fit` learns what must be learned (most have nothing) and returns self; `forward` rewrites a batch of its stage.
    `faces` says whose data this is: digests for draws, identity for personal masks, RGB for face hulls.

    needs: what `fit` must be given, in words; trains: what is trained, if anything, for the table that compares them.
    """

    stage: ClassVar[Stage]
    needs: ClassVar[tuple[str, ...]] = ()
    trains: ClassVar[str] = ""
    seed: int  # only those that draw have one

    def fit(self, faces: Faces | None, *recognizers: Recognizer) -> Self:
        """Learn from `faces` (None where nothing is learned) for the recognizers that stay authorized."""
        return self

    def forward(self, x: Tensor, faces: Faces | None = None) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not say how it rewrites {self.stage.value}.")

    def rekeyed(self, seed: int) -> Self:
        """The same protection with other keys and draws, which follow its `seed`; itself where it has none."""
        if not hasattr(self, "seed"):
            return self
        other = copy.copy(self)
        other._modules, other._buffers = dict(self._modules), dict(self._buffers)  # else fitting one would fit both
        other._parameters = dict(self._parameters)
        other.seed = seed
        return other

    def learned(self) -> dict[str, Tensor]:
        """What `fit` learned, as tensors for a file; nothing where it learns nothing."""
        return {name: tensor.detach().clone().contiguous() for name, tensor in self.state_dict().items()}

    def restored(self, tensors: Mapping[str, Tensor], *recognizers: Recognizer) -> Self:
        """A copy with what `learned` gave; recognizers as for `fit`. The recipe and the tensors are all it takes.

        A buffer that is empty before `fit` takes the shape that comes.
        Raises `UsageError` where the tensors are not those of such a protection.
        """
        own = self.state_dict()
        wrong = [name for name in own if name in tensors and tensors[name].dtype != own[name].dtype]
        other = copy.deepcopy(self)
        for name, buffer in list(other.named_buffers()):
            if not buffer.numel() and name in tensors:
                place, _, last = name.rpartition(".")
                setattr(other.get_submodule(place), last, torch.empty_like(tensors[name]))
        try:
            if wrong:
                raise RuntimeError(f"other types of {', '.join(wrong)}")
            other.load_state_dict({name: tensor.clone() for name, tensor in tensors.items()}, assign=True)
        except RuntimeError as error:
            known, came = ", ".join(own) or "nothing", ", ".join(tensors) or "none"
            raise UsageError(
                f"{self!r} learns {_short(known)}, got tensors {_short(came)} of other names, shapes or types; give "
                "what learned() gave for the same recipe."
            ) from error
        return other

    def param_groups(self) -> list[dict[str, object]]:
        """Parameters that are trained together with the server, as groups for an optimizer.

        A group has `params`, and `lr_scale` where its rate is that share of the server's, or `optimizer` ("Adam") and
        `lr` where it is trained by another optimizer at a rate of its own.
        """
        return []


class ImageProtection(Protection):
    """(B, 3, H, W) in [0, 1] -> the same."""

    stage = Stage.IMAGES


class FeatureProtection(Protection):
    """(B, C, h, w) -> features. changes_channels: whether the server must be built for its output."""

    stage = Stage.FEATURES
    changes_channels: ClassVar[bool] = False


class TemplateProtection(Protection):
    """(B, D) unit rows -> templates."""

    stage = Stage.TEMPLATES


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
