"""Sets of faces, and where each comes from. None of them is redistributed here."""

from __future__ import annotations

from bauta.zoo.records import DataFile, Dataset

RESEARCH = "research use"
LFW = "Huang, Ramesh, Berg and Learned-Miller, Labeled Faces in the Wild, UMass Amherst 07-49, 2007"
CFP = "Sengupta et al., Frontal to profile face verification in the wild, WACV 2016"
FIGSHARE = "https://ndownloader.figshare.com/files/"  # scikit-learn's copies, under the digests that it publishes
DEEPFACE = "https://github.com/serengil/deepface/raw/243209fd/tests/unit/dataset/"

PAIRS = DataFile(
    "lfw_pairs.txt",
    (
        "https://github.com/davidsandberg/facenet/raw/096ed770f163957c1e56efa7feeb194773920f6e/data/pairs.txt",
        f"{FIGSHARE}5976006",
    ),
    "ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592",
)


def photo(name: str, sha256: str) -> DataFile:
    """One of DeepFace's test photos."""
    return DataFile(f"photos/deepface_{name}", (DEEPFACE + name,), sha256)


def pack(name: str) -> DataFile:
    """A verification pack of InsightFace."""
    return DataFile(
        name,
        (),
        None,
        "It comes with InsightFace's training set MS1M-ArcFace, whose links are at "
        "https://github.com/deepinsight/insightface/tree/master/recognition/_datasets_.",
    )


DATASETS: tuple[Dataset, ...] = (
    Dataset(
        name="lfw",
        what="All of LFW: 13,233 pictures of 5,749 people, gray, aligned to 112x112, with the official pairs and an "
        "index of gender, emotion and landmarks",
        license=RESEARCH,
        paper=LFW,
        files=(
            DataFile(
                "lfw_gray_112.zip",
                (),
                "0c75d4067baaf430795ab3f4b465306ceb535e7aaeaf2274f3b23db66aec5caa",
                "It was made from the gray copy of LFW in baileyfriend/Gender-Image-Classifier@9aaaad06 and lies in "
                "mirrors only; `bauta datasets pull lfw-color` fetches LFW itself.",
            ),
            PAIRS,
            DataFile(
                "lfw_index.csv",
                (),
                "be290d8cea2e9cd73c13a1828fc8ac7fa3ddc6eeab5dd55c378e4e303987a8d5",
                "It was computed (labels from baileyfriend/Gender-Image-Classifier and muxspace/facial_expressions) "
                "and lies in mirrors only.",
            ),
        ),
    ),
    Dataset(
        name="lfw-color",
        what="LFW as it was published: 13,233 pictures of 250x250 in color",
        license=RESEARCH,
        paper=LFW,
        files=(
            DataFile(
                "lfw.tgz",
                (f"{FIGSHARE}5976018",),
                "055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0",
            ),
            PAIRS,
        ),
    ),
    Dataset(
        name="lfw-funneled",
        what="LFW, each picture moved by funneling, 250x250 in color",
        license=RESEARCH,
        paper="Huang, Jain and Learned-Miller, Unsupervised joint alignment of complex images, ICCV 2007",
        files=(
            DataFile(
                "lfw-funneled.tgz",
                (f"{FIGSHARE}5976015",),
                "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
            ),
            PAIRS,
        ),
    ),
    Dataset(
        name="utkface",
        what="6,000 faces of UTKFace, 200x200 in color, with age, gender, race and landmarks",
        license="non-commercial research",
        paper="Zhang, Song and Qi, Age progression/regression by conditional adversarial autoencoder, CVPR 2017",
        files=(
            DataFile(
                "utkface_subset.zip",
                (),
                "48f0e8d73139825d4a120292d52d3c724cf60623bc0ad1ad9a0d9cad015b739b",
                "The choice (from bagashvilit/facial_recognition_bias@abe87302b1d452cbd9100773a16c127f4d2ab546) lies "
                "in mirrors only; get UTKFace from https://susanqq.github.io/UTKFace/ and name its folder: "
                "`bauta datasets add utkface PATH`.",
            ),
            DataFile(
                "utkface_index.csv",
                (),
                "5ddba8b445045ddc025ab7d56508111e1c67eae22b097ef0a3e17db549776520",
                "It was computed and lies in mirrors only.",
            ),
        ),
    ),
    Dataset(
        name="celeb12",
        what="1,923 pictures of 12 people in the wild, aligned to 112x112, in color; networks trained on MS1M have "
        "likely seen these people",
        license=RESEARCH,
        paper="An et al., Partial FC, ICCV Workshops 2021 (Glint360K)",
        files=(
            DataFile(
                "celeb12_color_112.zip",
                (),
                "6893885bdaa3cf09a24318eb1827b9c660aca630c25d2915df53bc806f69f4b2",
                "It was made from ElisonSherton/Face-Applications@a575801921a3bbffd09129a959c24af04d447478 and lies in "
                "mirrors only.",
            ),
        ),
    ),
    Dataset(
        name="photos",
        what="8 ordinary photos for a demonstration: single faces, a couple, groups",
        license="MIT (the test photos of DeepFace and facenet-pytorch)",
        paper="none",
        files=(
            photo("couple.jpg", "18654b7e11a237846ee6b7d641206503fa90e8b3ad6a949ecb02835ea9a561eb"),
            photo("img13.jpg", "008abcc9464f39cdd8d0f097b54e5d6fc064073b07cc2917f80d787351563190"),
            photo("img2.jpg", "b43c2b1c32553f6fd87ecfdb9eceebd07ffb0139dfe9f4a68bd8ff07b066d136"),
            photo("img21.jpg", "06d9079dae415b116d624e0aa2812f59bf175268e04aedd1ed43bb2ffe2f8606"),
            photo("img29.jpg", "25926edd3b72f1220a4ccf6e0814e994e4134dbe0961093ba6b4e02ce4590330"),
            photo("img4.jpg", "e768a47e85ff53b637f868817e6a489185fe914dad1f780be6e3fe853d0b4e2c"),
            photo("selfie-many-people.jpg", "c5c306582edaea1fd61d328f8822e0421af6547deb7a36903ba5f9169cb62034"),
            DataFile(
                "photos/facenet_multiface.jpg",
                (
                    "https://github.com/timesler/facenet-pytorch/raw/787da06156087cd6b616fe6608213722bddc30cd/"
                    "data/multiface.jpg",
                ),
                "433a04ac20456b02284f66f8336a4267be86a99ed3635141a477e192312b4f2f",
            ),
        ),
    ),
    Dataset(
        name="agedb-30",
        what="AgeDB with 6,000 pairs of faces 30 years apart",
        license=RESEARCH,
        paper="Moschoglou et al., AgeDB, CVPR Workshops 2017",
        files=(pack("agedb_30.bin"),),
        where="Or ask its authors, https://ibug.doc.ic.ac.uk/resources/agedb/, put agedb_30_pair.txt beside the "
        "pictures and name the folder: `bauta datasets add agedb-30 PATH`.",
    ),
    Dataset(
        name="calfw",
        what="Cross-Age LFW: 6,000 pairs",
        license=RESEARCH,
        paper="Zheng, Deng and Hu, Cross-age LFW, arXiv 1708.08197",
        files=(pack("calfw.bin"),),
        where="Or get it, with pairs_CALFW.txt, from http://whdeng.cn/CALFW/index.html and name the folder: "
        "`bauta datasets add calfw PATH`.",
    ),
    Dataset(
        name="cfp-ff",
        what="Celebrities in Frontal-Profile, the frontal pairs: 7,000",
        license=RESEARCH,
        paper=CFP,
        files=(pack("cfp_ff.bin"),),
        where="Or get CFP with its folder Protocol from http://www.cfpw.io/ and name the folder: "
        "`bauta datasets add cfp-ff PATH`.",
    ),
    Dataset(
        name="cfp-fp",
        what="Celebrities in Frontal-Profile, the pairs of a frontal and a profile picture: 7,000",
        license=RESEARCH,
        paper=CFP,
        files=(pack("cfp_fp.bin"),),
    ),
    Dataset(
        name="celeba",
        what="202,599 pictures of 10,177 people with 40 attributes",
        license="non-commercial research",
        paper="Liu, Luo, Wang and Tang, Deep learning face attributes in the wild, ICCV 2015",
        files=(
            DataFile(
                "celeba.zip",
                (),
                None,
                "Get the pictures and the lists from https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html and zip them.",
            ),
        ),
        where="Or name the folder they lie in: `bauta datasets add celeba PATH`.",
    ),
)
