"""Facts about published weights, data sets and tools: where they come from, what they are, what they measured.

A record never holds weights. Figures named `accuracy` and `threshold` are LFW's 10-fold accuracy (percent) and the mean
best cosine threshold of its folds, measured by `bauta evaluate` on the greyscale aligned copy of LFW, one view.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """One file of a record: `name` as it lies in a mirror or the cache, where its bytes live, and their digest.

    sha256 is None for bytes that nobody here has seen yet; they are pinned at first use, after a yes.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str | None


@dataclass(frozen=True)
class Input:
    """What a network was trained on, as `bauta.recognizers.Preprocess` takes it. mean and std are in units of [0, 1]."""

    mean: tuple[float, ...] = (127.5 / 255,)
    std: tuple[float, ...] = (128 / 255,)
    size: tuple[int, int] | None = None
    columns: tuple[int, int] | None = None
    bgr: bool = False


@dataclass(frozen=True)
class Weights:
    """A recognizer's weights.

    architecture: a key of `bauta.recognizers.ARCHITECTURES`. cut: the default deep cut (how many layers the client
    holds), chosen from the depth curve, or None where it was not measured.
    """

    name: str
    architecture: str
    files: tuple[File, ...]
    license: str
    input: Input
    embedding: int
    trained_on: str
    loss: str
    paper: str
    accuracy: float | None = None
    deviation: float | None = None
    threshold: float | None = None
    cut: int | None = None


MOBILEFACENET = "Chen, Liu, Gao and Han, MobileFaceNets, CCBR 2018"

WEIGHTS: tuple[Weights, ...] = (
    Weights(
        name="mobilefacenet-casia",
        architecture="mobilefacenet-xiaoccer",
        files=(
            File(
                "mobilefacenet_xiaoccer_casia_112x96.ckpt",
                (
                    "https://github.com/Xiaoccer/MobileFaceNet_Pytorch/raw/"
                    "26bd8d262017e472a3c7f56d62929e2138a70aeb/model/best/068.ckpt",
                ),
                "e839247cdbdfc023fb7cadeaf53a4549d50c8fc24ad154c02e35920ea8910d99",
            ),
        ),
        license="none stated",
        input=Input(columns=(8, 104)),
        embedding=128,
        trained_on="CASIA-WebFace",
        loss="ArcFace",
        paper=MOBILEFACENET,
        accuracy=97.87,
        deviation=0.65,
        threshold=0.288,
        cut=17,
    ),
    Weights(
        name="mobilefacenet-relu6-ms1m",
        architecture="mobilefacenet-foamliu",
        files=(
            File(
                "mobilefacenet_foamliu_ms1m.pt",
                (
                    "https://github.com/foamliu/MobileFaceNet/raw/"
                    "a6cc9032a659b615f477833e1a70b5e7931bcccc/weights/mobilefacenet.pt",
                ),
                "90a00ba1d8b0b688af3deb731ed53dca582e6106805d1bc3cfdef55f570493f4",
            ),
        ),
        license="Apache-2.0",
        input=Input(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        embedding=128,
        trained_on="MS1M",
        loss="ArcFace",
        paper=MOBILEFACENET,
        accuracy=98.73,
        deviation=0.48,
        threshold=0.255,
        cut=20,
    ),
    Weights(
        name="mobilefacenet-y1-ms1m",
        architecture="mobilefacenet-insightface-y1",
        files=(
            File(
                "mobilefacenet_insightface_y1.params",
                ("https://github.com/liguiyuan/mobilefacenet-ncnn/raw/43631161/models/model-0000.params",),
                "b151f97e392e68cb540fb9710a91a574a4187d491eeda77d1c1799ae6dc3b82b",
            ),
        ),
        license="InsightFace model: non-commercial research",
        input=Input(),
        embedding=128,
        trained_on="MS1M",
        loss="ArcFace",
        paper=MOBILEFACENET,
        accuracy=98.95,
        deviation=0.52,
        threshold=0.246,
        cut=17,
    ),
    Weights(
        name="mobileface-v3",
        architecture="mobileface-v3",
        files=(
            File(
                "mobileface_v3.params",
                (
                    "https://github.com/becauseofAI/MobileFace/raw/128cea33b928dc9bb6d1963202b57a97f5661ccf/"
                    "MobileFace_Identification/MobileFace_Identification_V3-0000.params",
                ),
                "452de400b2c9707613d41afdd2b56fe956113d8958dcfa1e4d2b0acc5dd13369",
            ),
        ),
        license="MIT",
        input=Input(),
        embedding=256,
        trained_on="not stated",
        loss="not stated",
        paper="not at hand",
        accuracy=87.22,
        deviation=2.05,
        threshold=0.234,
    ),
)
