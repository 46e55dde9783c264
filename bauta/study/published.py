"""What the papers print, to stand beside what is measured here: Pu et al. (PMT, IEEE TDSC 2025), then P3-Mask's.

PMT's accuracies are in percent by Eq. 10, at a threshold of 0.2 for every network. The paper gives no numbers of pairs
and no intervals; nearly all of its accuracies are multiples of 1/104. Figures 4, 5 and 8 to 11 are curves without
numbers, and so not at hand.
"""

from __future__ import annotations

# The number of pairs on whose grid the accuracies lie: it is inferred, not stated.
PAPER_PAIRS = 104

# Tables III, IV and V: choice -> (authorized IR50-Softmax, unauthorized MobileFace), on AgeDB-30. "Random sort" is the
# shuffle of the picture's own pixels.
PAPER_CHOICES: dict[str, dict[str, tuple[float, float]]] = {
    "start": {"shuffle": (99.0, 87.5), "blur": (98.1, 99.0), "noise": (99.0, 10.6)},
    "augment": {"mix": (100.0, 19.2), "none": (100.0, 15.8), "noise": (99.1, 8.7), "affine": (99.0, 44.2)},
    "aggregate": {"yes": (99.0, 12.5), "no": (99.0, 15.4)},
    "kernel": {"none": (98.1, 14.4), "linear": (98.1, 19.2), "gaussian": (99.0, 9.6)},
}

# Table VII, the LFW block: authorized network by reading network.
PAPER_READERS = ("MobileFace", "ArcFace", "ResNet50", "IR50-Softmax", "IR50-Sphereface")
PAPER_TABLE_VII_LFW: dict[str, tuple[float, ...]] = {
    "MobileFace": (99.0, 6.7, 8.7, 2.9, 12.5),
    "ArcFace": (4.8, 100.0, 0.0, 2.9, 0.0),
    "ResNet50": (8.7, 4.8, 95.2, 16.3, 8.7),
    "IR50-Softmax": (14.4, 9.6, 1.0, 98.1, 12.5),
    "IR50-Sphereface": (1.9, 1.0, 1.0, 8.7, 99.0),
}

# Table IX: data set -> the numbers, from 1, of the authorized networks -> the accuracy of each network. The header is
# lost in the text version at hand; the order of the columns is that of the note under the table.
PAPER_TABLE_IX_NETWORKS = ("MobileFace", "ResNet50", "IR50-Softmax", "IR50-Sphereface", "ArcFace")
PAPER_TABLE_IX: dict[str, dict[tuple[int, ...], tuple[float, ...]]] = {
    "LFW": {
        (1, 2): (99.0, 99.0, 53.8, 23.1, 20.2),
        (2, 3): (63.5, 99.0, 99.0, 51.0, 28.8),
        (1, 2, 3): (100.0, 99.0, 100.0, 61.5, 41.3),
        (2, 3, 4): (64.2, 94.2, 100.0, 100.0, 28.8),
        (1, 2, 3, 4): (99.0, 97.1, 100.0, 99.0, 38.5),
        (2, 3, 4, 5): (75.2, 100.0, 99.0, 100.0, 99.0),
    },
    "AgeDB-30": {
        (1, 2): (93.3, 94.2, 32.7, 23.1, 22.1),
        (2, 3): (54.8, 91.3, 96.2, 33.6, 21.2),
        (1, 2, 3): (93.3, 97.1, 94.2, 62.5, 37.5),
        (2, 3, 4): (51.9, 87.5, 91.3, 93.3, 30.7),
        (1, 2, 3, 4): (88.5, 84.6, 88.5, 89.4, 30.8),
        (2, 3, 4, 5): (76.5, 94.2, 99.0, 95.2, 95.2),
    },
    "CALFW": {
        (1, 2): (95.2, 96.2, 51.9, 28.8, 22.1),
        (2, 3): (66.3, 95.2, 98.1, 49.0, 27.9),
        (1, 2, 3): (95.4, 97.1, 97.1, 73.1, 44.2),
        (2, 3, 4): (64.4, 94.2, 98.1, 97.1, 29.8),
        (1, 2, 3, 4): (95.2, 92.3, 96.2, 97.1, 45.2),
        (2, 3, 4, 5): (74.2, 98.1, 98.1, 97.1, 99.0),
    },
    "CFP-FF": {
        (1, 2): (98.1, 99.0, 24.0, 20.2, 14.4),
        (2, 3): (54.8, 97.1, 99.0, 34.6, 17.3),
        (1, 2, 3): (100.0, 99.0, 99.0, 55.8, 27.0),
        (2, 3, 4): (60.6, 96.2, 98.1, 98.1, 15.4),
        (1, 2, 3, 4): (96.2, 97.1, 98.1, 100.0, 24.0),
        (2, 3, 4, 5): (75.1, 98.1, 98.1, 98.1, 99.0),
    },
}

# Table X, on LFW: (augmentation, translation-invariant kernel, layer aggregation) -> authorized IR50-Softmax,
# unauthorized MobileFace, UP(0.1, 0.3).
PAPER_TABLE_X: dict[tuple[bool, bool, bool], tuple[float, float, float]] = {
    (False, False, False): (98.2, 6.9, 1.803),
    (False, False, True): (98.1, 4.1, 1.825),
    (False, True, False): (98.1, 5.7, 1.822),
    (True, False, False): (98.7, 6.3, 1.812),
    (True, True, False): (99.0, 5.8, 1.831),
    (True, False, True): (99.4, 2.8, 1.829),
    (False, True, True): (99.0, 3.9, 1.831),
    (True, True, True): (99.0, 1.0, 1.848),
}

# Table VI, on LFW: what protects the features -> SSIM, PSNR (dB), COS and SRRA at a threshold of 0.2, of the white-box
# attack (inversion) and of the black-box one (RecFace). The other three data sets differ by little.
PAPER_TABLE_VI_LFW: dict[str, dict[str, tuple[float, float, float, float]]] = {
    "bare": {"Inversion": (0.62, 14.61, 0.96, 1.00), "RecFace": (0.99, 34.40, 0.98, 1.00)},
    "matched noise": {"Inversion": (0.38, 12.56, 0.69, 1.00), "RecFace": (0.78, 15.55, 0.55, 1.00)},
    "PMT": {"Inversion": (0.03, 11.31, 0.83, 1.00), "RecFace": (0.03, 11.21, 0.71, 1.00)},
}

# Table VIII: data set -> what was read -> cosine of the networks' outputs on it and on the clean picture for emotion,
# race and gender, and the difference of the ages in years. The networks are deepface's.
PAPER_TABLE_VIII_COLUMNS = ("emotion", "race", "gender", "age")
PAPER_TABLE_VIII: dict[str, dict[str, tuple[float, float, float, float]]] = {
    "LFW": {"PMT": (0.31, 0.63, 0.83, 8.93), "noise": (0.81, 0.76, 0.90, 5.10)},
    "AgeDB-30": {"PMT": (0.32, 0.76, 0.63, 9.63), "noise": (0.88, 0.87, 0.85, 3.72)},
    "CALFW": {"PMT": (0.37, 0.65, 0.82, 8.95), "noise": (0.82, 0.81, 0.90, 5.95)},
    "CFP-FF": {"PMT": (0.40, 0.60, 0.73, 8.93), "noise": (0.84, 0.87, 0.94, 4.20)},
}

# What Protego (CVPR 2026, an author of P3-Mask among its own) states of recall when query and gallery are both
# protected: FaceScrub, 20 people, a recognizer that was not attacked. P3-Mask's and OPOM's follow from its statement
# that its reduction is 3.5 and 2.7 times theirs; P3-Mask's own tables are not at hand.
PROTEGO_UNPROTECTED = 71.68
CHAMELEON_RECALL = {"Protego": 18.09, "P3-Mask (inferred)": 56.4, "OPOM (inferred)": 51.8}

# What MinusFace (CVPR 2024) states of AdvFace, reproduced by its authors "to our best effort": accuracy on LFW, in
# percent, and what a recovery network trained on 1.3 million pictures draws. AdvFace's own tables are not at hand.
MINUSFACE_ADVFACE = {"protection": "AdvFace, by MinusFace", "LFW accuracy": 98.45, "SSIM": 0.85, "PSNR": 21.63}

# The frequency family, all by IR-50 on MS1M, without n or intervals. FREQUENCY_ACCURACY: MinusFace's Table 1, and
# DuetFace's row of an unprotected network; accuracy in percent, and TPR at an FPR of 1e-4 on IJB.
FREQUENCY_ACCURACY_COLUMNS = ("LFW", "CFP-FP", "AgeDB", "CPLFW", "CALFW", "IJB-B", "IJB-C")
FREQUENCY_ACCURACY: dict[str, tuple[float, ...]] = {
    "none": (99.77, 98.30, 97.88, 92.77, 96.05, 94.13, 95.60),
    "DuetFace": (99.82, 97.79, 97.93, 92.35, 96.10, 93.66, 95.30),
    "PPFR-FD": (99.69, 94.85, 97.23, 90.19, 95.60, 92.93, 94.07),
    "DCTDP": (99.77, 96.97, 97.72, 91.37, 96.05, 93.29, 94.43),
    "PartialFace": (99.80, 97.63, 97.79, 92.03, 96.07, 93.64, 94.93),
    "MinusFace": (99.78, 96.92, 97.57, 91.90, 95.90, 93.37, 94.70),
}
# Recovery by a white-box U-Net: SSIM, PSNR and, in PartialFace's Table 3 alone, the accuracy of verification with
# recovered pictures in percent (50 is chance). MinusFace's attacker trained on 1.3 million pictures.
FREQUENCY_RECOVERY: dict[str, dict[str, tuple[float, float, float | None]]] = {
    "PartialFace": {
        "DuetFace": (0.866, 19.88, 96.52),
        "PPFR-FD": (0.713, 15.66, 83.73),
        "DCTDP": (0.687, 15.42, 79.60),
        "PartialFace": (0.591, 13.70, 65.35),
    },
    "MinusFace": {
        "DuetFace": (0.84, 19.39, None),
        "PPFR-FD": (0.70, 15.21, None),
        "DCTDP": (0.66, 14.92, None),
        "PartialFace": (0.59, 13.23, None),
        "MinusFace": (0.50, 10.98, None),
    },
}
# What is stored of a face, in units of MinusFace's picture.
FREQUENCY_STORAGE = {"DuetFace": 54, "PPFR-FD": 36, "DCTDP": 63, "PartialFace": 9, "MinusFace": 1}

# MAP2V (CVPR 2024), its table on LFW under "1k1c settings": attacked system -> validating system -> PSI and PSII in
# percent. The rows of the systems themselves are those that were attacked; ArcFace, MagFace and AdaFace were not.
MAP2V_SCORES: dict[str, dict[str, tuple[float, float]]] = {
    "DuetFace": {
        "ArcFace": (90.25, 69.26),
        "MagFace": (82.08, 70.21),
        "AdaFace": (81.27, 65.65),
        "DuetFace": (97.46, 82.61),
        "DCTDP": (88.43, 71.42),
        "PartialFace": (82.40, 66.84),
    },
    "DCTDP": {
        "ArcFace": (91.75, 73.46),
        "MagFace": (86.83, 75.78),
        "AdaFace": (81.27, 69.51),
        "DuetFace": (93.64, 76.38),
        "DCTDP": (96.43, 88.26),
        "PartialFace": (85.65, 73.95),
    },
    "PartialFace": {
        "ArcFace": (89.50, 67.46),
        "MagFace": (90.08, 73.67),
        "AdaFace": (88.27, 68.11),
        "DuetFace": (91.60, 72.62),
        "DCTDP": (88.18, 69.08),
        "PartialFace": (98.90, 93.42),
    },
}
