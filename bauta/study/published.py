"""What Pu et al. print (Facial Data Minimization: PMT, IEEE TDSC 2025), to stand beside what is measured here.

All are accuracies by Eq. 10 in percent, at a threshold of 0.2 for every network, unless said otherwise. The paper gives
no numbers of pairs and no intervals; nearly all of its accuracies are multiples of 1/104.
"""

from __future__ import annotations

# Table VII, the LFW block: authorized network by reading network.
PAPER_READERS = ("MobileFace", "ArcFace", "ResNet50", "IR50-Softmax", "IR50-Sphereface")
PAPER_TABLE_VII_LFW: dict[str, tuple[float, ...]] = {
    "MobileFace": (99.0, 6.7, 8.7, 2.9, 12.5),
    "ArcFace": (4.8, 100.0, 0.0, 2.9, 0.0),
    "ResNet50": (8.7, 4.8, 95.2, 16.3, 8.7),
    "IR50-Softmax": (14.4, 9.6, 1.0, 98.1, 12.5),
    "IR50-Sphereface": (1.9, 1.0, 1.0, 8.7, 99.0),
}
