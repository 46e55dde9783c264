"""Heads: each logit against a hand-made loop in 64 bits, and what a margin is for."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.errors import ShapeError, UsageError
from bauta.recognizers.heads import HEADS, AdaFace, ArcFace, CosFace, Head, Softmax, SphereFace
from bauta.spec import parse

PEOPLE, SIZE = 7, 5


def drawn(number: int = 40, seed: int = 3) -> tuple[Tensor, Tensor]:
    """Embeddings of very different lengths, some near their own person's row or opposite to it, and who they are."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(number, SIZE, generator=g) * torch.logspace(-2, 2, number)[:, None]
    return x, torch.randint(PEOPLE, (number,), generator=g)


def made(head: Head) -> Head:
    head.sized(SIZE, PEOPLE, torch.Generator().manual_seed(1))
    x, who = drawn()
    with torch.no_grad():
        head.weight[who[0]] = x[0] * 2  # an angle of 0
        head.weight[who[1]] = -x[1]  # an angle of π
    return head


def sphere(head: SphereFace, theta: float, length: float) -> tuple[float, float]:
    k = min(int(theta * head.margin / math.pi), head.margin - 1)
    psi = (-1) ** k * math.cos(head.margin * theta) - 2 * k
    share = max(5.0, 1000 / (1 + 0.12 * float(head.steps)))
    return (share * math.cos(theta) + psi) / (1 + share), length


def cos(head: CosFace, theta: float, length: float) -> tuple[float, float]:
    return math.cos(theta) - 0.35, 64


def arc(head: ArcFace, theta: float, length: float) -> tuple[float, float]:
    turned = math.cos(theta + 0.5) if theta + 0.5 < math.pi else math.cos(theta) - 0.5 * math.sin(0.5)
    return turned, 64


def ada(head: AdaFace, theta: float, length: float) -> tuple[float, float]:
    z = (min(max(length, 1e-3), 100) - float(head.mean)) / (float(head.spread) + 1e-3) * 0.333
    z = min(max(z, -1), 1)
    angle = min(max(theta - 0.4 * z, 1e-3), math.pi - 1e-3)
    return math.cos(angle) - (0.4 * z + 0.4), 64


@pytest.mark.parametrize(("kind", "rule"), [(SphereFace, sphere), (CosFace, cos), (ArcFace, arc), (AdaFace, ada)])
def test_logits_are_those_of_the_paper_one_at_a_time(
    kind: type[Head], rule: Callable[..., tuple[float, float]]
) -> None:
    head = made(kind())
    x, who = drawn()
    came = head(x, who).detach()
    for i in range(len(x)):
        length = float(x[i].double().norm())
        for k in range(PEOPLE):
            w = head.weight[k].detach().double()
            cosine = float(x[i].double() @ w) / (length * float(w.norm()))
            right, scale = rule(head, math.acos(max(-1.0, min(1.0, cosine))), length)
            expected = (right if k == int(who[i]) else cosine) * scale
            assert float(came[i, k]) == pytest.approx(expected, rel=2e-4, abs=0.03)


def test_softmax_is_a_linear_layer() -> None:
    head = made(Softmax())
    x, who = drawn()
    with torch.no_grad():
        head.bias += torch.arange(PEOPLE)
    expected = x.double() @ head.weight.detach().double().T + torch.arange(PEOPLE)
    torch.testing.assert_close(head(x, who).detach().double(), expected, rtol=1e-5, atol=1e-5)


def test_adafaces_averages_follow_the_lengths_and_sphereface_counts() -> None:
    ada, sphere = made(AdaFace()), made(SphereFace())
    x, who = drawn()
    lengths = x.double().norm(dim=1).clamp(1e-3, 100)
    mean, spread = 20.0, 100.0
    for _ in range(3):
        ada(x, who), sphere(x, who)
        mean, spread = 0.99 * mean + 0.01 * lengths.mean(), 0.99 * spread + 0.01 * lengths.std()
    torch.testing.assert_close(ada.mean.double(), mean, rtol=1e-5, atol=0)
    torch.testing.assert_close(ada.spread.double(), spread, rtol=1e-5, atol=0)
    assert sphere.steps == 3
    before = {**ada.eval().state_dict(), **sphere.eval().state_dict()}
    before = {name: tensor.clone() for name, tensor in before.items()}
    ada(x, who), sphere(x, who)
    assert all(torch.equal(before[n], t) for n, t in {**ada.state_dict(), **sphere.state_dict()}.items())


@pytest.mark.parametrize("kind", HEADS)
def test_gradients_are_finite_also_at_angles_of_zero_and_pi(kind: type[Head]) -> None:
    head = made(kind())
    x, who = drawn()
    x.requires_grad_()
    F.cross_entropy(head(x, who), who).backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert head.weight.grad is not None
    assert head.weight.grad.isfinite().all()
    assert head.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_stays_in_32_bits_under_autocast(kind: type[Head]) -> None:
    head = made(kind()).eval()
    x, who = drawn()
    with torch.autocast("cpu", torch.bfloat16):
        inside = head(x.bfloat16().float(), who)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, head(x.bfloat16().float(), who))


@pytest.mark.parametrize("kind", [SphereFace, CosFace, ArcFace, AdaFace])
def test_a_margin_makes_the_right_person_harder_and_no_other(kind: type[Head]) -> None:
    head = made(kind())
    g = torch.Generator().manual_seed(9)
    x, who = torch.randn(40, SIZE, generator=g) * 20, torch.randint(PEOPLE, (40,), generator=g)
    length = x.norm(dim=1, keepdim=True)
    plain = F.linear(F.normalize(x), F.normalize(head.weight)) * (length if kind is SphereFace else 64)
    rise = (head(x, who) - plain).detach()
    right = F.one_hot(who, PEOPLE).bool()
    assert (rise[right] < 0.01).all()
    assert rise[right].mean() < -0.1
    assert rise[~right].abs().max() < 1e-3


def test_a_spec_makes_a_head_and_a_head_says_its_spec() -> None:
    head = parse("ArcFace(margin=0.4)", HEADS)
    assert isinstance(head, ArcFace)
    assert (head.scale, head.margin, repr(head)) == (64.0, 0.4, "ArcFace(margin=0.4)")
    with pytest.raises(UsageError, match="whole number"):
        SphereFace(margin=0)


def test_a_head_refuses_what_it_is_not_made_for() -> None:
    head = CosFace()
    x, who = drawn()
    with pytest.raises(UsageError, match="made for embeddings of none numbers, got 5"):
        head(x, who)
    made(head)
    with pytest.raises(UsageError, match="made for embeddings of 5 numbers, got 4"):
        head(x[:, :4], who)
    with pytest.raises(ShapeError, match="embeddings"):
        head(x[0], who)
