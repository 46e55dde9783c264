"""Other people's networks, written here from their published definitions: what our key mappings are tested against.

Only names, order and numbers are theirs: each class has the attributes under which the publisher saves its weights, and
takes pixels as the publisher does (0..255 for RobFR, else already normalized).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

BatchNorm, Conv = nn.BatchNorm2d, nn.Conv2d


def filled(module: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights and running statistics that keep activations in range and make every number, also eps, count."""
    g = torch.Generator().manual_seed(seed)

    def uniform(like: Tensor, low: float, high: float) -> Tensor:
        return torch.rand(like.shape, generator=g) * (high - low) + low

    with torch.no_grad():
        for m in module.modules():
            if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d):
                m.running_var.copy_(10 ** uniform(m.running_var, -3, 0))
                m.running_mean.copy_(uniform(m.running_mean, -0.3, 0.3))
                if m.affine:
                    m.weight.copy_(m.running_var.sqrt() * uniform(m.weight, 0.7, 1.3))
                    m.bias.copy_(uniform(m.bias, -0.3, 0.3))
            elif isinstance(m, nn.Conv2d | nn.Linear):
                spread = (2 / m.weight[0].numel()) ** 0.5
                m.weight.copy_(torch.randn(m.weight.shape, generator=g) * spread)
                if m.bias is not None:
                    m.bias.copy_(uniform(m.bias, -0.3, 0.3))
            elif isinstance(m, nn.PReLU):
                m.weight.copy_(uniform(m.weight, -0.2, 0.6))
    return module.eval()


class InsightFaceBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = BatchNorm(inputs)
        self.conv1 = Conv(inputs, outputs, 3, padding=1, bias=False)
        self.bn2 = BatchNorm(outputs)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = Conv(outputs, outputs, 3, stride, 1, bias=False)
        self.bn3 = BatchNorm(outputs)
        self.downsample = None
        if stride == 2 or inputs != outputs:
            self.downsample = nn.Sequential(Conv(inputs, outputs, 1, stride, bias=False), BatchNorm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        return y + (x if self.downsample is None else self.downsample(x))


class InsightFace(nn.Module):
    """arcface_torch/backbones/iresnet.py."""

    def __init__(self, units: Sequence[int]) -> None:
        super().__init__()
        self.conv1 = Conv(3, 64, 3, padding=1, bias=False)
        self.bn1 = BatchNorm(64)
        self.prelu = nn.PReLU(64)
        inputs = 64
        for n, (width, number) in enumerate(zip((64, 128, 256, 512), units, strict=True), 1):
            blocks = [InsightFaceBlock(inputs if i == 0 else width, width, 2 if i == 0 else 1) for i in range(number)]
            setattr(self, f"layer{n}", nn.Sequential(*blocks))
            inputs = width
        self.bn2 = BatchNorm(512)
        self.dropout = nn.Dropout(0.4)
        self.fc = nn.Linear(512 * 7 * 7, 512)
        self.features = nn.BatchNorm1d(512)

    def forward(self, x: Tensor) -> Tensor:
        x = self.prelu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.features(self.fc(self.dropout(torch.flatten(self.bn2(x), 1))))


class SEModule(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = Conv(channels, channels // 16, 1, bias=False)
        self.fc2 = Conv(channels // 16, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = nn.functional.adaptive_avg_pool2d(x, 1)
        return x * torch.sigmoid(self.fc2(torch.relu(self.fc1(gate))))


def evolve_branch(i: int, o: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        BatchNorm(i), Conv(i, o, 3, 1, 1, bias=False), nn.PReLU(o), Conv(o, o, 3, stride, 1, bias=False), BatchNorm(o)
    )


def evolve_se_branch(i: int, o: int, stride: int) -> nn.Sequential:
    return evolve_branch(i, o, stride).append(SEModule(o))


def tface_branch(i: int, o: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        BatchNorm(i), Conv(i, o, 3, 1, 1, bias=False), BatchNorm(o), nn.PReLU(o),
        Conv(o, o, 3, stride, 1, bias=False), BatchNorm(o),
    )  # fmt: skip


def tface_bottleneck(i: int, o: int, stride: int) -> nn.Sequential:
    q = o // 4
    return nn.Sequential(
        BatchNorm(i), Conv(i, q, 1, bias=False), BatchNorm(q), nn.PReLU(q),
        Conv(q, q, 3, 1, 1, bias=False), BatchNorm(q), nn.PReLU(q),
        Conv(q, o, 1, stride, bias=False), BatchNorm(o),
    )  # fmt: skip


def with_se_block(branch: Callable[[int, int, int], nn.Sequential]) -> Callable[[int, int, int], nn.Sequential]:
    def result(i: int, o: int, stride: int) -> nn.Sequential:
        parts = branch(i, o, stride)
        parts.add_module("se_block", SEModule(o))
        return parts

    return result


class ModelIRSEUnit(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, branch: Callable[..., nn.Sequential]) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if inputs != outputs:
            self.shortcut_layer = nn.Sequential(Conv(inputs, outputs, 1, stride, bias=False), BatchNorm(outputs))
        self.res_layer = branch(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.res_layer(x) + self.shortcut_layer(x)


class ModelIRSE(nn.Module):
    """model_irse.py of face.evoLVe (affine) and TFace (not affine)."""

    def __init__(
        self,
        units: Sequence[int],
        branch: Callable[..., nn.Sequential],
        *,
        affine: bool,
        widths: Sequence[int] = (64, 128, 256, 512),
    ) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(Conv(3, 64, 3, 1, 1, bias=False), BatchNorm(64), nn.PReLU(64))
        self.output_layer = nn.Sequential(
            BatchNorm(widths[-1]),
            nn.Dropout(),
            nn.Flatten(),
            nn.Linear(widths[-1] * 49, 512),
            nn.BatchNorm1d(512, affine=affine),
        )
        body, inputs = [], 64
        for width, number in zip(widths, units, strict=True):
            for i in range(number):
                body.append(ModelIRSEUnit(inputs, width, 2 if i == 0 else 1, branch))
                inputs = width
        self.body = nn.Sequential(*body)

    def forward(self, x: Tensor) -> Tensor:
        return self.output_layer(self.body(self.input_layer(x)))


class ModelResNetBlock(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = Conv(inputs, width, 1, bias=False), BatchNorm(width)
        self.conv2, self.bn2 = Conv(width, width, 3, stride, 1, bias=False), BatchNorm(width)
        self.conv3, self.bn3 = Conv(width, width * 4, 1, bias=False), BatchNorm(width * 4)
        self.downsample = None
        if stride != 1 or inputs != width * 4:
            self.downsample = nn.Sequential(Conv(inputs, width * 4, 1, stride, bias=False), BatchNorm(width * 4))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(torch.relu(self.bn2(self.conv2(y)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ModelResNet(nn.Module):
    """model_resnet.py of face.evoLVe and TFace."""

    def __init__(self, units: Sequence[int]) -> None:
        super().__init__()
        self.conv1, self.bn1 = Conv(3, 64, 7, 2, 3, bias=False), BatchNorm(64)
        inputs = 64
        for n, (width, number) in enumerate(zip((64, 128, 256, 512), units, strict=True), 1):
            blocks = []
            for i in range(number):
                blocks.append(ModelResNetBlock(inputs, width, 2 if n > 1 and i == 0 else 1))
                inputs = 4 * width
            setattr(self, f"layer{n}", nn.Sequential(*blocks))
        self.bn_o1 = BatchNorm(2048)
        self.fc = nn.Linear(2048 * 4 * 4, 512)
        self.bn_o2 = nn.BatchNorm1d(512)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.bn_o1(self.layer4(self.layer3(self.layer2(self.layer1(x)))))
        return self.bn_o2(self.fc(x.view(len(x), -1)))


class RobFRMobilenet(nn.Module):
    """RobFR/networks/Mobilenet.py; takes 0..255."""

    def __init__(self, stride: int) -> None:
        super().__init__()

        def separable(i: int, o: int, s: int) -> nn.Sequential:
            return nn.Sequential(
                Conv(i, i, 3, s, 1, groups=i, bias=False), BatchNorm(i), nn.ReLU(),
                Conv(i, o, 1, bias=False), BatchNorm(o), nn.ReLU(),
            )  # fmt: skip

        self.model = nn.Sequential(
            nn.Sequential(Conv(3, 32, 3, stride, 1, bias=False), BatchNorm(32), nn.ReLU()),
            separable(32, 64, 1), separable(64, 128, 2), separable(128, 128, 1), separable(128, 256, 2),
            separable(256, 256, 1), separable(256, 512, 2), *(separable(512, 512, 1) for _ in range(5)),
            separable(512, 1024, 2), separable(1024, 1024, 1),
        )  # fmt: skip
        self.linear7 = Conv(1024, 1024, 4 if stride == 2 else 7, groups=1024, bias=False)
        self.fc = nn.Linear(1024, 512)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.linear7(self.model((x - 127.5) / 128)).view(-1, 1024))


SETTING = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


class XiaoccerConv(nn.Module):
    def __init__(self, i: int, o: int, k: int | tuple[int, int], s: int, p: int, groups: int, linear: bool) -> None:
        super().__init__()
        self.conv = Conv(i, o, k, s, p, groups=groups, bias=False)
        self.bn = BatchNorm(o)
        if not linear:
            self.prelu = nn.PReLU(o)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        return self.prelu(x) if hasattr(self, "prelu") else x


class XiaoccerBlock(nn.Module):
    def __init__(self, i: int, o: int, s: int, t: int) -> None:
        super().__init__()
        self.connect = s == 1 and i == o
        self.conv = nn.Sequential(
            Conv(i, i * t, 1, bias=False), BatchNorm(i * t), nn.PReLU(i * t),
            Conv(i * t, i * t, 3, s, 1, groups=i * t, bias=False), BatchNorm(i * t), nn.PReLU(i * t),
            Conv(i * t, o, 1, bias=False), BatchNorm(o),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + (x if self.connect else 0)


class Xiaoccer(nn.Module):
    """MobileFaceNet of Xiaoccer/MobileFaceNet_Pytorch and, with a (7, 7) grid and 512-d, of RobFR."""

    def __init__(self, grid: tuple[int, int], embedding: int) -> None:
        super().__init__()
        self.conv1 = XiaoccerConv(3, 64, 3, 2, 1, 1, False)
        self.dw_conv1 = XiaoccerConv(64, 64, 3, 1, 1, 64, False)
        blocks, i = [], 64
        for t, o, number, s in SETTING:
            for n in range(number):
                blocks.append(XiaoccerBlock(i, o, s if n == 0 else 1, t))
                i = o
        self.blocks = nn.Sequential(*blocks)
        self.conv2 = XiaoccerConv(128, 512, 1, 1, 0, 1, False)
        self.linear7 = XiaoccerConv(512, 512, grid, 1, 0, 512, True)
        self.linear1 = XiaoccerConv(512, embedding, 1, 1, 0, 1, True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.dw_conv1(self.conv1(x)))
        return self.linear1(self.linear7(self.conv2(x))).flatten(1)


def foamliu_conv(i: int, o: int, k: int = 3, s: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(Conv(i, o, k, s, k // 2, groups=groups, bias=False), BatchNorm(o), nn.ReLU6())


class FoamliuStem(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.depthwise = Conv(64, 64, 3, padding=1, groups=64, bias=False)
        self.pointwise = Conv(64, 64, 1, bias=False)
        self.bn1, self.bn2 = BatchNorm(64), BatchNorm(64)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn2(self.pointwise(torch.relu(self.bn1(self.depthwise(x))))))


class FoamliuBlock(nn.Module):
    def __init__(self, i: int, o: int, s: int, t: int) -> None:
        super().__init__()
        self.connect = s == 1 and i == o
        self.conv = nn.Sequential(
            foamliu_conv(i, i * t, 1),
            foamliu_conv(i * t, i * t, 3, s, i * t),
            Conv(i * t, o, 1, bias=False),
            BatchNorm(o),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + (x if self.connect else 0)


class FoamliuPool(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.depthwise = Conv(512, 512, 7, groups=512, bias=False)
        self.bn = BatchNorm(512)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.depthwise(x))


class Foamliu(nn.Module):
    """foamliu/MobileFaceNet."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = foamliu_conv(3, 64, 3, 2)
        self.dw_conv = FoamliuStem()
        features, i = [], 64
        for t, o, number, s in SETTING:
            for n in range(number):
                features.append(FoamliuBlock(i, o, s if n == 0 else 1, t))
                i = o
        self.conv2 = foamliu_conv(128, 512, 1)
        self.gdconv = FoamliuPool()
        self.conv3 = Conv(512, 128, 1)
        self.bn = BatchNorm(128)
        self.features = nn.Sequential(*features)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(self.features(self.dw_conv(self.conv1(x))))
        return self.bn(self.conv3(self.gdconv(x))).flatten(1)


class BasicConv2d(nn.Module):
    def __init__(self, i: int, o: int, k: int | tuple[int, int], s: int = 1, p: int | tuple[int, int] = 0) -> None:
        super().__init__()
        self.conv = Conv(i, o, k, s, p, bias=False)
        self.bn = BatchNorm(o, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv(x)))


class FacenetBlock(nn.Module):
    def __init__(self, branches: Sequence[nn.Module], mixed: int, width: int, scale: float, relu: bool = True) -> None:
        super().__init__()
        for n, branch in enumerate(branches):
            setattr(self, f"branch{n}", branch)
        self.n, self.scale, self.relu = len(branches), scale, relu
        self.conv2d = Conv(mixed, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2d(torch.cat([getattr(self, f"branch{n}")(x) for n in range(self.n)], 1)) * self.scale + x
        return torch.relu(y) if self.relu else y


class FacenetMixed(nn.Module):
    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        for n, branch in enumerate(branches):
            setattr(self, f"branch{n}", branch)
        self.n = len(branches)

    def forward(self, x: Tensor) -> Tensor:
        branches = [getattr(self, f"branch{n}")(x) for n in range(self.n)]
        return torch.cat([*branches, nn.functional.max_pool2d(x, 3, 2)], 1)


def facenet35() -> FacenetBlock:
    c = BasicConv2d
    branches = (
        c(256, 32, 1),
        nn.Sequential(c(256, 32, 1), c(32, 32, 3, p=1)),
        nn.Sequential(c(256, 32, 1), c(32, 32, 3, p=1), c(32, 32, 3, p=1)),
    )
    return FacenetBlock(branches, 96, 256, 0.17)


def facenet17() -> FacenetBlock:
    c = BasicConv2d
    strip = nn.Sequential(c(896, 128, 1), c(128, 128, (1, 7), p=(0, 3)), c(128, 128, (7, 1), p=(3, 0)))
    return FacenetBlock((c(896, 128, 1), strip), 256, 896, 0.1)


def facenet8(scale: float, relu: bool = True) -> FacenetBlock:
    c = BasicConv2d
    strip = nn.Sequential(c(1792, 192, 1), c(192, 192, (1, 3), p=(0, 1)), c(192, 192, (3, 1), p=(1, 0)))
    return FacenetBlock((c(1792, 192, 1), strip), 384, 1792, scale, relu)


class FacenetPytorch(nn.Module):
    """facenet-pytorch's inception_resnet_v1.py, with the classifier its files carry."""

    def __init__(self) -> None:
        super().__init__()
        c, s = BasicConv2d, nn.Sequential
        self.conv2d_1a, self.conv2d_2a, self.conv2d_2b = c(3, 32, 3, 2), c(32, 32, 3), c(32, 64, 3, p=1)
        self.conv2d_3b, self.conv2d_4a, self.conv2d_4b = c(64, 80, 1), c(80, 192, 3), c(192, 256, 3, 2)
        self.repeat_1 = s(*(facenet35() for _ in range(5)))
        self.mixed_6a = FacenetMixed(c(256, 384, 3, 2), s(c(256, 192, 1), c(192, 192, 3, p=1), c(192, 256, 3, 2)))
        self.repeat_2 = s(*(facenet17() for _ in range(10)))
        self.mixed_7a = FacenetMixed(
            s(c(896, 256, 1), c(256, 384, 3, 2)),
            s(c(896, 256, 1), c(256, 256, 3, 2)),
            s(c(896, 256, 1), c(256, 256, 3, p=1), c(256, 256, 3, 2)),
        )
        self.repeat_3 = s(*(facenet8(0.2) for _ in range(5)))
        self.block8 = facenet8(1.0, relu=False)
        self.last_linear = nn.Linear(1792, 512, bias=False)
        self.last_bn = nn.BatchNorm1d(512, eps=0.001)
        self.logits = nn.Linear(512, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x))), 3, 2)
        x = self.repeat_1(self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(x))))
        x = self.repeat_3(self.mixed_7a(self.repeat_2(self.mixed_6a(x))))
        return self.last_bn(self.last_linear(self.block8(x).mean((2, 3))))
