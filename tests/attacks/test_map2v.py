"""MAP2V: its slopes by algebra and a hand-made loop, its stops, and that it finds what is there to be found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tiny
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from bauta.attacks import (
    STARTS,
    AnySystem,
    Clustered,
    Map2V,
    Map2VWhiteBox,
    MeanStart,
    QueryLimit,
    RandomStart,
    Ranked,
    Victim,
)
from bauta.attacks.reconstruction.whitebox import Glass
from bauta.attacks.reconstruction.zeroth_order import central_difference, forward_difference, orthogonal, sphere
from bauta.errors import UsageError
from bauta.generators import Eigenfaces
from bauta.ops.noise import generators, row_digests
from bauta.pipeline import Pipeline

PRIOR = Eigenfaces(components=6).fit(tiny.faces(20, seed=4))
TARGETS = torch.tensor([3, 0])


def likeness(prior: Eigenfaces = PRIOR) -> tuple[AnySystem, Tensor]:
    """Scores fall with the squared distance from a hidden code of each target: a bowl whose bottom is known."""
    hidden = 0.5 * prior.sample(4, Generator().manual_seed(8))

    def ask(images: Tensor, target: Tensor) -> Tensor:
        return 1 - (prior.encode(images) - hidden[target]).square().mean(1) / 4

    return AnySystem(ask), hidden


def draws(count: int = 2) -> list[Generator]:
    return generators(0, [str(i) for i in range(count)], "test")


@pytest.mark.parametrize("frame", [sphere, orthogonal])
def test_directions_are_unit_and_belong_to_their_draw(frame: Callable[..., Tensor]) -> None:
    like = torch.zeros(1)
    found = frame(5, (3, 4), draws(), like)
    assert found.shape == (2, 5, 3, 4)
    assert torch.allclose(found.flatten(2).norm(dim=2), torch.ones(2, 5), atol=1e-6)
    assert torch.allclose(frame(5, (3, 4), draws(1), like)[0], found[0], atol=1e-6), "whoever else is there"
    assert not torch.allclose(found[0], found[1])
    many = frame(4, (4,), draws(2000), like).flatten(0, 1)
    assert torch.allclose(many.T @ many / len(many), torch.eye(4) / 4, atol=0.02), "no direction is preferred"
    assert torch.allclose(many[::4].mean(0), torch.zeros(4), atol=0.04)


def test_orthogonal_directions_are() -> None:
    found = orthogonal(6, (2, 3), draws(), torch.zeros(1)).flatten(2)
    assert torch.allclose(found @ found.mT, torch.eye(6).expand(2, 6, 6), atol=1e-5)


def test_differences_along_a_full_frame_are_the_slope() -> None:
    """Of a linear function exactly, and of a quadratic one where the pairs are antithetic."""
    slope = torch.tensor([[1.0, -2, 3, 0.5], [0, 1, 1, -1]])
    here, frame = torch.randn(2, 4, generator=Generator().manual_seed(1)), orthogonal(4, (4,), draws(), slope)

    def linear(x: Tensor) -> Tensor:
        return (x * (slope if x.ndim == 2 else slope[:, None])).sum(-1)

    def bowl(x: Tensor) -> Tensor:
        return linear(x) + 3 * x.square().sum(-1)

    ahead, behind = here[:, None] + 0.5 * frame, here[:, None] - 0.5 * frame
    assert torch.allclose(forward_difference(linear(here), linear(ahead), frame, 0.5), slope, atol=1e-5)
    truth = slope + 6 * here
    assert torch.allclose(central_difference(bowl(ahead), bowl(behind), frame, 0.5), truth, atol=1e-4)
    assert not torch.allclose(forward_difference(bowl(here), bowl(ahead), frame, 0.5), truth, atol=0.1)


def test_the_descent_is_the_published_one() -> None:
    """Against one target after another, in plain loops: draws, truncation, differences, Adam, weight decay, rate."""
    oracle, _ = likeness()
    attack = Map2V(
        PRIOR, MeanStart(samples=50), iterations=5, directions=3, milestones=(2,), flip=False, weight_decay=0.1, seed=5
    )
    kept = list(attack.search(oracle, TARGETS))[-1]
    for row, target in enumerate(TARGETS.tolist()):
        start = PRIOR.sample(50, Generator().manual_seed(5)).mean(0)
        draw = generators(5, row_digests(TARGETS[row : row + 1]), "directions")[0]
        w, m, v = start.double(), torch.zeros(6).double(), torch.zeros(6).double()
        best, latent = -9.0, w

        def ask(x: Tensor, target: int = target, start: Tensor = start) -> tuple[float, Tensor]:
            shown = (start + 0.8 * (x - start)).float()
            return float(oracle.score(PRIOR.render(shown[None]), torch.tensor([target]))), shown

        for k in range(1, 6):
            u = torch.randn(3, 6, generator=draw)
            u = (u / u.norm(dim=1, keepdim=True)).double()
            asked = [ask(w), *(ask(w + 0.1 * x) for x in u)]
            for score, shown in asked:
                if score > best:
                    best, latent = score, shown
            g = sum(6 * (asked[0][0] - asked[i + 1][0]) / 0.1 * u[i] for i in range(3)) / 3 + 0.1 * w
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            rate = 0.1 if k <= 2 else 0.01
            w = w - rate * (m / (1 - 0.9**k)) / ((v / (1 - 0.999**k)).sqrt() + 1e-8)
        assert float(kept.scores[row]) == pytest.approx(best, abs=1e-5)
        assert torch.allclose(kept.latents[row], latent.float(), atol=2e-3)


def test_it_comes_near_what_is_hidden() -> None:
    oracle, hidden = likeness()
    attack = Map2V(PRIOR, Ranked(priors=60), psi=1.0, flip=False, iterations=120)
    first, *_, last = attack.search(oracle, TARGETS)
    assert float(last.scores.min()) > 0.97
    assert bool((last.scores > first.scores).all())
    assert float((last.latents - hidden[TARGETS]).norm(dim=1).max()) < 1.0
    pictures = attack(TARGETS, oracle)
    assert torch.equal(pictures, PRIOR.render(last.latents))


def test_a_target_is_searched_alike_whoever_else_is_there() -> None:
    oracle, _ = likeness()
    attack = Map2V(PRIOR, "random", iterations=8, flip=False)
    together, alone = attack(TARGETS, oracle), attack(TARGETS[1:], oracle)
    assert torch.allclose(together[1:], alone, atol=1e-4)


def test_mirrored_scores_are_averaged_and_both_counted() -> None:
    oracle, _ = likeness()
    blind = Map2V(PRIOR, "random", iterations=0)
    (found,) = blind.search(oracle, TARGETS)
    pictures = PRIOR.render(found.latents)
    both = (oracle.score(pictures, TARGETS) + oracle.score(pictures.flip(-1), TARGETS)) / 2
    assert torch.allclose(found.scores, both, atol=1e-5)
    assert found.queries.tolist() == [2, 2]


@pytest.mark.parametrize(("option", "rounds"), [({"enough": -9.0}, 0), ({"patience": 4}, None)])
def test_it_stops_early(option: dict[str, float], rounds: int | None) -> None:
    oracle = AnySystem(lambda images, target: torch.zeros(len(images)))  # says nothing, so that nothing gets better
    start = Ranked(priors=6, top=2)
    *_, found = Map2V(PRIOR, start, iterations=50, flip=False, **option).search(oracle, TARGETS)  # type: ignore[arg-type]
    rounds = 4 if rounds is None else rounds
    assert found.queries.tolist() == [6 + 17 * rounds] * 2


def test_where_answers_end_the_best_so_far_is_kept() -> None:
    oracle, _ = likeness()
    limited = QueryLimit(oracle, 60)
    *_, found = Map2V(PRIOR, Ranked(priors=20, top=2), flip=False, iterations=50).search(limited, TARGETS)
    assert oracle.queries == 2 * 60
    assert found.queries.tolist() == [20 + 3 * 17] * 2, "asked, answered or not"
    scores = oracle.score(PRIOR.render(found.latents), TARGETS)
    assert torch.allclose(scores, found.scores, atol=1e-5)
    assert Map2V(PRIOR)(TARGETS, QueryLimit(oracle, 0)).isfinite().all()


def test_ranked_takes_the_mean_of_the_best() -> None:
    oracle, _ = likeness()
    drawn = PRIOR.sample(30, Generator().manual_seed(2))

    def ask(latents: Tensor, rows: Tensor) -> Tensor:
        return oracle.score(PRIOR.render(latents), TARGETS[rows])

    found = Ranked(priors=30, top=4)(PRIOR, TARGETS, ask, 2)
    for row, target in enumerate(TARGETS.tolist()):
        order = sorted(
            range(30), key=lambda i: -float(oracle.score(PRIOR.render(drawn[i : i + 1]), torch.tensor([target])))
        )
        assert torch.allclose(found[row], drawn[order[:4]].mean(0), atol=1e-6)


def test_other_starts() -> None:
    oracle, _ = likeness()
    asked: list[int] = []

    def ask(latents: Tensor, rows: Tensor) -> Tensor:
        asked.append(len(latents))
        return oracle.score(PRIOR.render(latents), TARGETS[rows])

    assert set(STARTS) == {"ranked", "cluster", "random", "mean"}
    assert Clustered(priors=80, clusters=9, top=2)(PRIOR, TARGETS, ask, 0).shape == (2, 6)
    assert asked == [9, 9], "the clusters' centers, once for each target"
    random = RandomStart()(PRIOR, TARGETS, ask, 0)
    assert not torch.allclose(random[0], random[1])
    assert float(MeanStart()(PRIOR, TARGETS, ask, 0).abs().max()) < 0.05
    assert asked == [9, 9]


def test_the_prior_is_fitted_where_it_needs_to_be() -> None:
    raw = Map2V(Eigenfaces(components=3), "mean", iterations=0)
    with pytest.raises(UsageError, match="public faces"):
        raw.fit(None, None)
    fitted = raw.fit(tiny.faces(12), None)
    assert fitted.prior.ready
    assert not raw.prior.ready
    ready = Map2V(PRIOR)
    assert ready.fit(tiny.faces(12), None).prior is PRIOR


def test_unknown_options_are_refused() -> None:
    for made in (lambda: Map2V(PRIOR, "best"), lambda: Map2V(PRIOR, directions=0), lambda: Map2V(PRIOR, iterations=-1)):
        with pytest.raises(UsageError):
            made()


def test_the_white_box_follows_the_gradient() -> None:
    pipeline = Pipeline(tiny.recognizer())
    prior = Eigenfaces(components=12).fit(tiny.faces(40, seed=4))
    hidden = prior.sample(2, Generator().manual_seed(1))
    templates = pipeline.recognizer.embed(prior.render(hidden))
    attack = Map2VWhiteBox(prior, "mean", iterations=60, flip=False, psi=1.0)
    victim = Victim(pipeline, attack.knowledge)
    first, *_, last = attack.search(Glass(victim, templates), templates)
    assert float(last.scores.min()) > 0.95 > float(first.scores.max())
    assert victim.queries == int(last.queries.sum()) == 2 * 60
    found = pipeline.recognizer.embed(attack(templates, victim))
    assert torch.allclose(F.cosine_similarity(found, templates), last.scores, atol=1e-3)


def test_the_white_box_averages_mirrored_templates() -> None:
    pipeline = Pipeline(tiny.recognizer())
    templates = pipeline.recognizer.embed(tiny.pictures(2, seed=6))
    blind = Map2VWhiteBox(PRIOR, "random", iterations=0)
    victim = Victim(pipeline, blind.knowledge)
    (found,) = blind.search(Glass(victim, templates), templates)
    pictures = PRIOR.render(found.latents)
    mean = pipeline.recognizer.embed(pictures) + pipeline.recognizer.embed(pictures.flip(-1))
    assert torch.allclose(found.scores, F.cosine_similarity(mean, templates), atol=2e-3), "but for 8 bits"
