"""Face priors: what a face looks like, as few numbers from which a picture is made.

A prior turns draws of standard normal numbers (its space Z) into *working latents*, and these into aligned faces. What
searches for a face moves in working latents alone and needs neither the network behind them nor its gradient.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Generator, Tensor, nn

from bauta.errors import BadFile, MissingData, ShapeError, UsageError
from bauta.recognizers.checkpoints import check_plain, read_plain
from bauta.spec import recipe
from bauta.types import Faces, Images


class FacePrior(nn.Module):
    """Base of all priors: `sample` draws working latents, `render` makes aligned faces of them.

    A subclass says `z_shape` (the shape of one row of Z) and `synthesize`, and where it has further spaces `working`.
    What must be learned from faces is learned by `fit`, which returns self; `ready` says whether there is anything left
    to learn. Latents are (n, *shape). Pictures are (n, 3, side, side) in [0, 1], aligned as recognizers want them; each
    is scaled by itself, so that no picture depends on what else is in its batch.

    space: the working space, one of `spaces`: "z"; "w", what a mapping network makes of it; "w+", one w a layer.
    side: height and width of the pictures.
    """

    spaces: ClassVar[tuple[str, ...]] = ("z",)
    space: str = "z"
    side: int = 112

    @property
    def z_shape(self) -> tuple[int, ...]:
        """The shape of one row of Z."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its Z is.")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one working latent."""
        return self.z_shape

    @property
    def ready(self) -> bool:
        """Whether it can be used as it is; else call `fit`."""
        return True

    def fit(self, faces: Faces) -> Self:
        """Learn from aligned public faces; a prior that was trained elsewhere has nothing to learn."""
        return self

    def in_space(self, space: str) -> Self:
        """The same prior (its weights shared, not copied) with another working space. Raises `UsageError`."""
        if space not in self.spaces:
            raise UsageError(f"{type(self).__name__} works in {', '.join(self.spaces)}; got {space!r}.")
        other = copy.copy(self)
        other.space = space
        return other

    def sample(self, number: int, generator: Generator) -> Tensor:
        """(number, *shape) working latents, drawn as the prior has them."""
        z = torch.randn((number, *self.z_shape), generator=generator)
        with torch.no_grad():
            return self.working(z.to(self.place))

    def axes(self, number: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """(mean (*shape), principal axes (k, *shape)) of 2,000 draws; each axis is as long as they deviate along it.

        So mean + y @ axes looks like a draw where y is standard normal (Härkönen et al., GANSpace, NeurIPS 2020). At
        most `number` of them, the largest first, and none along which draws do not differ.
        """
        rows = self.sample(2000, generator).flatten(1)
        mean = rows.mean(0)
        _, spread, across = torch.linalg.svd(rows - mean, full_matrices=False)
        kept = (spread > 1e-4 * spread[0]).nonzero().flatten()[:number]
        axes = across[kept] * spread[kept, None] / (len(rows) - 1) ** 0.5
        return mean.view(self.shape), axes.view(-1, *self.shape)

    @property
    def place(self) -> torch.device:
        """Where its weights are."""
        return next((t.device for t in (*self.parameters(), *self.buffers())), torch.device("cpu"))

    def working(self, z: Tensor) -> Tensor:
        """Rows of Z as working latents."""
        return z

    def synthesize(self, latents: Tensor) -> Images:
        """Working latents -> aligned faces (n, 3, side, side) in units of [0, 1]; `render` clips what is beyond."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it makes a picture.")

    def render(self, latents: Tensor) -> Images:
        """Working latents (n, *shape) -> (n, 3, side, side) in [0, 1], with a gradient. Raises `ShapeError`."""
        if not self.ready:
            raise UsageError(f"{self!r} has not been fitted; call fit(faces) with public faces first.")
        if tuple(latents.shape[1:]) != self.shape:
            raise ShapeError(
                f"{self!r} renders latents of shape (n, {', '.join(map(str, self.shape))}), got {tuple(latents.shape)}."
            )
        return self.synthesize(latents).clamp(0, 1)

    forward = render

    def learned(self) -> dict[str, Tensor]:
        """What it has learned, as tensors for a safetensors file."""
        return {name: tensor.detach().clone().contiguous() for name, tensor in self.state_dict().items()}

    def restored(self, tensors: Mapping[str, Tensor]) -> Self:
        """A copy with what `learned` gave; the recipe and the tensors are all it takes. Raises `UsageError`."""
        other = copy.deepcopy(self)
        for name, buffer in list(other.named_buffers()):
            if not buffer.numel() and name in tensors:  # empty before it is fitted
                place, _, last = name.rpartition(".")
                setattr(other.get_submodule(place), last, torch.empty_like(tensors[name]))
        try:
            other.load_state_dict({name: tensor.clone() for name, tensor in tensors.items()}, assign=True)
        except RuntimeError as error:
            raise UsageError(
                f"The tensors are not those of {self!r} (expected {', '.join(self.state_dict()) or 'none'}); give what "
                "learned() gave for the same recipe."
            ) from error
        return other.eval().requires_grad_(False)


class InvertedSpace(FacePrior):
    """A prior whose draws are codes of real faces: the prior space of MAP2V (Zhang et al., CVPR 2024).

    The paper's is 70,000 faces of FFHQ in W+, inverted by an encoder, (70000, 14, 512). Drawn without replacement, all
    equally likely; rendered by the prior that they belong to.

    prior: in the working space of the codes. codes: a file of them, (N, *shape) finite numbers: a tensor that
    `torch.save` wrote, or safetensors with one tensor. Raises `MissingData`, `BadFile`, `ShapeError`.
    """

    codes_: Tensor

    def __init__(self, prior: FacePrior, codes: str | Path) -> None:
        super().__init__()
        self.prior, self.codes = prior, str(codes)
        self.register_buffer("codes_", read_codes(codes), persistent=False)
        if tuple(self.codes_.shape[1:]) != prior.shape or not len(self.codes_):
            raise ShapeError(
                f"{codes} holds codes of shape {tuple(self.codes_.shape)}, but {prior!r} works in "
                f"(N, {', '.join(map(str, prior.shape))}); choose the space that they were inverted into."
            )
        self.side, self.space = prior.side, prior.space

    __repr__ = recipe

    @property
    def z_shape(self) -> tuple[int, ...]:
        return self.prior.z_shape

    @property
    def shape(self) -> tuple[int, ...]:
        return self.prior.shape

    @property
    def ready(self) -> bool:
        return self.prior.ready

    def sample(self, number: int, generator: Generator) -> Tensor:
        """(number, *shape) different codes. Raises `UsageError` where there are fewer."""
        if number > len(self.codes_):
            raise UsageError(f"{self.codes} holds {len(self.codes_)} codes, got asked for {number}; draw fewer.")
        return self.codes_[torch.randperm(len(self.codes_), generator=generator)[:number].to(self.codes_.device)]

    def synthesize(self, latents: Tensor) -> Images:
        return self.prior.synthesize(latents)


def read_codes(path: str | Path) -> Tensor:
    """The codes in a file, float32. Raises `MissingData`, `BadFile`; nothing is unpickled."""
    path = Path(path)
    if not path.is_file():
        raise MissingData(f"{path} is no file; give the file of inverted codes.")
    content = read_plain(path)
    found = list(content.values()) if isinstance(content, dict) else [content]
    if len(found) != 1 or not isinstance(found[0], Tensor) or found[0].ndim < 2:
        raise BadFile(f"{path} must hold one tensor (N, ...), got {len(found)} things; save the codes alone.")
    check_plain(found, path)
    codes: Tensor = found[0].detach().float()
    if not bool(codes.isfinite().all()):
        raise BadFile(f"{path} holds codes that are not finite; invert the faces again.")
    return codes


def truncated(latents: Tensor, toward: Tensor, psi: float) -> Tensor:
    """Latents drawn toward a given one: toward + psi (latents - toward); psi 1 leaves them, 0 gives `toward`."""
    return toward + psi * (latents - toward)


def stretched(pictures: Images) -> Images:
    """Each picture's own darkest value to 0 and its brightest to 1; one of a single value becomes gray, 0.5."""
    low, high = pictures.amin((1, 2, 3), keepdim=True), pictures.amax((1, 2, 3), keepdim=True)
    return torch.where(high > low, (pictures - low) / (high - low).clamp_min(1e-12), torch.full_like(pictures, 0.5))
