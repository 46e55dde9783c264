"""The networks that come with bauta: trained by `bauta train`; their files are in the package."""

from __future__ import annotations

from bauta.zoo.records import File, Input, Weights

FOLDS = 2  # of LFW, the last ones: whose people no network of bauta has learned from
LICENSE = "bauta weights: non-commercial research"
PACKAGED = "It comes with bauta: install it again."


def trained(
    kind: str, sha256: str, loss: str, paper: str, accuracy: float, deviation: float, threshold: float
) -> Weights:
    """A small recognizer that follows mobilefacenet-relu6-ms1m (Apache-2.0) on 55,000 pictures."""
    return Weights(
        name=f"bauta-{kind}",
        architecture=f"compact-{kind}",
        files=(File(f"bauta-{kind}.safetensors", (), sha256, PACKAGED),),
        license=LICENSE,
        input=Input(mean=(0.5,), std=(0.5,)),
        embedding=128,
        trained_on="LFW without the people of its last two folds, UTKFace, celeb12, and blends of these",
        loss=loss,
        paper=paper,
        accuracy=accuracy,
        deviation=deviation,
        threshold=threshold,
        folds=FOLDS,
    )


OURS: tuple[Weights, ...] = (
    trained(
        "residual",
        "40e5e0afa0b87b0d8f060c105da3c9efed06d404f5c3a1d62e883f6e3f27d23f",
        "distillation",
        "He, Zhang, Ren and Sun, Deep residual learning, CVPR 2016; the weights by bauta",
        96.50,
        0.67,
        0.245,
    ),
    trained(
        "ir",
        "82ac3a7bad30ff0b71dff898e50e1e4020e460bb8dcca4196e268345c66916ca",
        "distillation and CosFace",
        "Deng, Guo, Xue and Zafeiriou, ArcFace, CVPR 2019 (the units); the weights by bauta",
        93.92,
        0.42,
        0.262,
    ),
    trained(
        "plain",
        "2125e1a0152ed30045124bccb6ad042539f52b18830abd663700186e64e74cff",
        "distillation and ArcFace",
        "Simonyan and Zisserman, Very deep convolutional networks, ICLR 2015; the weights by bauta",
        92.33,
        0.33,
        0.288,
    ),
    trained(
        "bottleneck",
        "29d13425af92b09d1a1638405c3ce85f5e69b95f29b28393bfe736f51b17d3f4",
        "distillation and softmax",
        "He, Zhang, Ren and Sun, Deep residual learning, CVPR 2016 (bottlenecks); the weights by bauta",
        90.50,
        0.17,
        0.239,
    ),
)
