"""MAP2V with better use of queries: what each answer says is used whole, and steps are as long as they pay."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from bauta.attacks.oracle import Oracle
from bauta.attacks.reconstruction.search import Asking, Found, LatentSearch
from bauta.attacks.reconstruction.zeroth_order import central_difference, orthogonal
from bauta.errors import UsageError
from bauta.generators import FacePrior
from bauta.ops.noise import generators, row_digests
from bauta.spec import recipe

START = (2.0, 4.0, 7.0, 11.0)  # how far along the first slope is asked
LINE = (0.5, 1.0, 2.0)  # of the step
SHORTER = 0.7  # the step, where none of them was better


class Map2VFast(LatentSearch):
    """`Map2V`'s question, enrolment numbers (V,) -> faces, with a fraction of its queries. Ours.

    It moves in coordinates y of the prior's principal axes, in which draws are standard normal (`FacePrior.axes`).

    * Start: `priors` draws are asked as in `Map2V`, but the slope of a ridge regression of the score on y is followed,
      which uses all answers and not the five best. A few dozen draws do.
    * Slope: `directions` orthogonal directions, each asked both ways, `mu` away or one step where that is less:
      differences whose curvature cancels. They are averaged over rounds by `momentum`.
    * Line search along the averaged slope, at a half, one and two steps; what was best is the next step, and a shorter
      one where nothing was. The best point that was asked, on the line or beside it, is where the next round begins.

    prior, flip, enough, seed, batch_size: as in `Map2V`. axes: how many principal axes are searched. ridge: of the
    regression. step: the first step's length. A round costs 2 directions + 3 latents.

    Of 50 people of LFW, asked of bauta-residual with 256 Eigenfaces and no mirrored pictures: Map2V scores 0.611
    [0.593, 0.631] after 1,000 queries a person and 0.768 [0.754, 0.782] after 1,996; this 0.722 [0.707, 0.736] after
    400 and 0.903 [0.889, 0.915] after 1,992. It needs 28 % [25, 32] of Map2V's queries for the person's final score
    there (`benchmarks/map2v_queries.py 50 2000`, 95 % intervals over people). Its pictures have more contrast than
    Map2V's, which weight decay and psi keep near the mean. On four people fewer draws at the start were better (50 over
    100, 200 and 500), fewer axes worse, and a public recognizer's gradient, or the axes that it is sensitive to, did
    not pay beyond the first hundred queries.
    """

    def __init__(
        self,
        prior: FacePrior | None = None,
        *,
        rounds: int = 60,
        priors: int = 50,
        axes: int = 512,
        ridge: float = 100.0,
        directions: int = 8,
        mu: float = 1.0,
        step: float = 2.0,
        momentum: float = 0.6,
        flip: bool = True,
        enough: float = 1.0,
        seed: int = 0,
        batch_size: int = 128,
    ) -> None:
        if rounds < 0 or priors < 2 or axes < 1 or directions < 1 or min(ridge, mu, step) <= 0 or not 0 <= momentum < 1:
            raise UsageError(
                "Map2VFast needs rounds >= 0, priors >= 2, axes and directions >= 1, ridge, mu and step above 0 and "
                f"momentum in [0, 1); got {rounds}, {priors}, {axes}, {directions}, {ridge}, {mu}, {step}, {momentum}."
            )
        super().__init__(prior, flip=flip, seed=seed, batch_size=batch_size)
        self.rounds, self.priors, self.axes, self.ridge = rounds, priors, axes, ridge
        self.directions, self.mu, self.step, self.momentum, self.enough = directions, mu, step, momentum, enough

    __repr__ = recipe

    def search(self, oracle: Oracle, targets: Tensor) -> Iterator[Found]:
        asking = Asking(self.prior, oracle, targets, flip=self.flip, batch_size=self.batch_size)
        place = Coordinates(asking, *self.prior.axes(self.axes, Generator().manual_seed(self.seed)))
        points, best = self._start(place, len(targets))
        yield asking.found
        draws = generators(self.seed, row_digests(targets), "directions")
        count = min(self.directions, place.dimension)
        steps = torch.full((len(targets),), self.step)
        slopes = torch.zeros_like(points)
        for _ in range(self.rounds):
            rows = (~asking.refused & (asking.scores < self.enough)).nonzero().flatten()
            if not len(rows):
                return
            here = points[rows]
            frame = orthogonal(count, (place.dimension,), [draws[row] for row in rows.tolist()], here)
            radius = steps[rows].clamp_max(self.mu)[:, None]  # near the end the neighborhood that counts is a small one
            around = torch.cat(
                [here[:, None] + radius[..., None] * frame, here[:, None] - radius[..., None] * frame], 1
            )
            beside = place.ask(around, rows)
            slope = central_difference(beside[:, :count], beside[:, count:], frame, radius).nan_to_num(0)
            slopes[rows] = self.momentum * slopes[rows] + (1 - self.momentum) * slope
            lengths = steps[rows, None] * torch.tensor(LINE)
            ahead = here[:, None] + lengths[..., None] * unit(slopes[rows])[:, None]
            along = place.ask(ahead, rows)
            gain, at = along.nan_to_num(-torch.inf).max(1)
            steps[rows] = torch.where(gain > best[rows], lengths.gather(1, at[:, None])[:, 0], SHORTER * steps[rows])
            points[rows], best[rows] = better(
                torch.cat([here[:, None], ahead, around], 1), torch.cat([best[rows, None], along, beside], 1)
            )
            yield asking.found

    def _start(self, place: Coordinates, count: int) -> tuple[Tensor, Tensor]:
        """(V, k) coordinates and (V,) scores: the best along the slope of the scores of draws."""
        drawn = torch.randn(self.priors, place.dimension, generator=Generator().manual_seed(self.seed))
        rows = torch.arange(count)
        asked = place.ask(drawn.expand(count, -1, -1), rows).nan_to_num(0)
        slope = unit(regressed(drawn, asked, self.ridge))
        line = torch.tensor(START)[None, :, None] * slope[:, None]
        drawn = drawn.expand(count, -1, -1)
        return better(torch.cat([line, drawn], 1), torch.cat([place.ask(line, rows), asked], 1))


class Coordinates:
    """Asks in coordinates of axes: y -> center + y @ axes."""

    def __init__(self, asking: Asking, center: Tensor, axes: Tensor) -> None:
        self.asking, self.center, self.axes = asking, center, axes
        self.dimension = len(axes)

    def ask(self, points: Tensor, rows: Tensor) -> Tensor:
        """points (L, N, k) for the targets in rows (L,) -> (L, N) scores."""
        latents = self.center + torch.tensordot(points.flatten(0, 1).to(self.axes), self.axes, 1)
        return self.asking(latents, rows.repeat_interleave(points.shape[1])).view(points.shape[:2])


def regressed(points: Tensor, scores: Tensor, ridge: float) -> Tensor:
    """(N, k) points and (V, N) their scores for each target -> (V, k) slopes: ridge regression with an intercept."""
    x, y = points - points.mean(0), scores - scores.mean(1, keepdim=True)
    # in the space of the points, which are fewer than coordinates
    slopes: Tensor = y @ torch.linalg.solve(x @ x.T + ridge * torch.eye(len(x)), x)
    return slopes


def unit(slopes: Tensor) -> Tensor:
    """Rows of length 1; zero where there is no slope."""
    lengths: Tensor = slopes.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return slopes / lengths


def better(points: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Of (L, N, k) points with (L, N) scores the best of each row, and its score; those without answer are last."""
    value, at = scores.nan_to_num(-torch.inf).max(1)
    return points[torch.arange(len(points)), at], value
