"""What to measure, each with its direction: how alike two things are, and how well scores tell people apart."""

from __future__ import annotations

from bauta.metrics.base import Interval, Metric, SetMetric, bootstrap, wilson
from bauta.metrics.diversity import (
    DIVERSITY,
    GD,
    Diversity,
    FocalDiversity,
    cohen_kappa,
    disagreement,
    fleiss_kappa,
    focal_diversity,
    generalized_diversity,
    kohavi_wolpert,
    q_statistic,
)
from bauta.metrics.image import COSINE, PSNR, SSIM
from bauta.metrics.kernel_distance import kernel_distance
from bauta.metrics.lpips import lpips
from bauta.metrics.perceptual import perceptual
from bauta.metrics.privacy_score import PrivacyScores, privacy_scores
from bauta.metrics.verification import (
    AUC,
    EER,
    FoldAccuracy,
    Roc,
    auc,
    best_threshold,
    eer,
    fold_threshold,
    pmt_accuracy,
    rank1,
    roc,
    srra,
    tar_at_far,
    tar_metric,
    ten_fold_accuracy,
    threshold_at_far,
)

__all__ = [
    "ALL",
    "AUC",
    "COSINE",
    "DIVERSITY",
    "EER",
    "GD",
    "PSNR",
    "SSIM",
    "Diversity",
    "FocalDiversity",
    "FoldAccuracy",
    "Interval",
    "Metric",
    "PrivacyScores",
    "Roc",
    "SetMetric",
    "auc",
    "best_threshold",
    "bootstrap",
    "cohen_kappa",
    "disagreement",
    "eer",
    "fleiss_kappa",
    "focal_diversity",
    "fold_threshold",
    "generalized_diversity",
    "kernel_distance",
    "kohavi_wolpert",
    "lpips",
    "perceptual",
    "pmt_accuracy",
    "privacy_scores",
    "q_statistic",
    "rank1",
    "roc",
    "srra",
    "tar_at_far",
    "tar_metric",
    "ten_fold_accuracy",
    "threshold_at_far",
    "wilson",
]

ALL: tuple[Metric | SetMetric, ...] = (SSIM, PSNR, COSINE, AUC, EER, tar_metric(1e-2), tar_metric(1e-3))
