"""Recognizers: those of others, and those that come with bauta."""

from __future__ import annotations

from bauta.zoo.ours import OURS
from bauta.zoo.records import File, Input, Weights

MOBILEFACENET = "Chen, Liu, Gao and Han, MobileFaceNets, CCBR 2018"
ARCFACE = "Deng, Guo, Xue and Zafeiriou, ArcFace, CVPR 2019"
ROBFR = "Yang et al., Delving into the adversarial robustness on face recognition, arXiv 2007.04118"
FACENET = "Schroff, Kalenichenko and Philbin, FaceNet, CVPR 2015; Szegedy et al., Inception-v4, AAAI 2017"
INSIGHTFACE = "InsightFace model: non-commercial research"

HALF = Input(mean=(0.5,), std=(0.5,))
BGR = Input(bgr=True)

# Read from RobFR's networks/*.py at 5963095c576d14c341d22a8be5fe889b4fc6ad45; the server answers without encryption.
ROBFR_SERVER = "http://ml.cs.tsinghua.edu.cn/~dingcheng/ckpts/face_models/"


def robfr(name: str, architecture: str, path: str, loss: str, taken: Input) -> Weights:
    """A record of RobFR (ShawnXYang/Face-Robustness-Benchmark): trained on MS1M, 512-d, blue first."""
    return Weights(
        name=name,
        architecture=architecture,
        files=(File(f"{name.replace('-', '_')}.pth", (ROBFR_SERVER + path,), None),),
        license="Apache-2.0 (the code; none stated for the weights)",
        input=taken,
        embedding=512,
        trained_on="MS1M",
        loss=loss,
        paper=ROBFR,
    )


def arcface_torch(depth: int) -> Weights:
    """A record of InsightFace's recognition/arcface_torch: MS1MV3, 512-d."""
    return Weights(
        name=f"insightface-r{depth}-ms1mv3",
        architecture=f"iresnet{depth}",
        files=(
            File(
                f"insightface_ms1mv3_r{depth}.pth",
                (),
                None,
                "InsightFace shares it on OneDrive, https://1drv.ms/u/s!AswpsDO2toNKq0lWY69vN58GR6mw?e=p9Ov5d, as "
                f"ms1mv3_arcface_r{depth}_fp16/backbone.pth.",
            ),
        ),
        license=INSIGHTFACE,
        input=HALF,
        embedding=512,
        trained_on="MS1MV3",
        loss="ArcFace",
        paper=ARCFACE,
    )


def inception(trained_on: str, file: str) -> Weights:
    """A record of timesler/facenet-pytorch: 160 x 160 faces, 512-d."""
    return Weights(
        name=f"inception-resnet-v1-{trained_on.lower().removesuffix('-webface')}",
        architecture="inception-resnet-v1",
        files=(File(file, (f"https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/{file}",), None),),
        license="MIT",
        input=Input(size=(160, 160)),
        embedding=512,
        trained_on=trained_on,
        loss="softmax",
        paper=FACENET,
    )


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
        cut=20,
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
        cut=21,
    ),
    Weights(
        name="mobilefacenet-y1-ms1m",
        architecture="mobilefacenet-insightface-y1",
        files=(
            File(
                "mobilefacenet_insightface_y1.params",
                (
                    "https://github.com/liguiyuan/mobilefacenet-ncnn/raw/"
                    "43631161ecef7567b9871bc711b9fb848629e9bc/models/model-0000.params",
                ),
                "b151f97e392e68cb540fb9710a91a574a4187d491eeda77d1c1799ae6dc3b82b",
            ),
            File(
                "mobilefacenet_insightface_y1-symbol.json",
                (
                    "https://github.com/liguiyuan/mobilefacenet-ncnn/raw/"
                    "43631161ecef7567b9871bc711b9fb848629e9bc/models/model-symbol.json",
                ),
                "967a17dd970632480609caac8b0a809f4784f1caa333a1d801365f7d34517e55",
            ),
        ),
        license=INSIGHTFACE,
        input=Input(),
        embedding=128,
        trained_on="MS1M",
        loss="ArcFace",
        paper=MOBILEFACENET,
        accuracy=98.95,
        deviation=0.52,
        threshold=0.246,
        cut=20,
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
            File(
                "mobileface_v3-symbol.json",
                (
                    "https://github.com/becauseofAI/MobileFace/raw/128cea33b928dc9bb6d1963202b57a97f5661ccf/"
                    "MobileFace_Identification/MobileFace_Identification_V3-symbol.json",
                ),
                "bb1ecf5c7cea147070bff6b3917996297082e5ad3482dd1ce247603b1926727d",
            ),
        ),
        license="MIT",
        input=Input(),
        embedding=256,
        trained_on="not stated",
        loss="not stated",
        paper="none: becauseofAI/MobileFace",
        accuracy=87.22,
        deviation=2.05,
        threshold=0.234,
    ),
    robfr(
        "robfr-mobileface",
        "robfr-mobileface",
        "model7/Backbone_mobileface_Epoch_36_Batch_409392_Time_2019-04-07-16-40_checkpoint.pth",
        "not stated",
        BGR,
    ),
    robfr(
        "robfr-ir50-arcface",
        "robfr-ir50",
        "IR50_ArcFace/Backbone_IR_50_Epoch_11_Batch_160116_Time_2019-11-09-09-42_checkpoint.pth",
        "ArcFace",
        Input(mean=(0.5,), std=(0.5,), bgr=True),
    ),
    robfr(
        "robfr-ir50-sphereface",
        "robfr-ir50",
        "IR50_SphereFace/Backbone_IR_50_Epoch_11_Batch_160116_Time_2019-11-09-10-45_checkpoint.pth",
        "SphereFace",
        Input(mean=(0.5,), std=(0.5,), bgr=True),
    ),
    robfr(
        "robfr-ir50-softmax",
        "robfr-ir50",
        "IR50_Softmax/Backbone_IR_50_Epoch_9_Batch_131004_Time_2019-11-09-12-30_checkpoint.pth",
        "softmax",
        Input(mean=(0.5,), std=(0.5,), bgr=True),
    ),
    robfr(
        "robfr-mobilenet",
        "robfr-mobilenet",
        "model11/Backbone_Mobilenet_Epoch_125_Batch_710750_Time_2019-04-14-18-15_checkpoint.pth",
        "not stated",
        BGR,
    ),
    robfr(
        "robfr-resnet50",
        "robfr-resnet50",
        "model13/Backbone_ResNet_50_Epoch_36_Batch_204696_Time_2019-04-14-14-44_checkpoint.pth",
        "not stated",
        BGR,
    ),
    arcface_torch(18),
    arcface_torch(50),
    arcface_torch(100),
    inception("VGGFace2", "20180402-114759-vggface2.pt"),
    inception("CASIA-WebFace", "20180408-102900-casia-webface.pt"),
    *OURS,
)
