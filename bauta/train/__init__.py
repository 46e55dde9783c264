"""Networks are trained here, recognizers with a pipeline in place, on two cores or on several GPUs."""

from bauta.train.attributing import Attributing, train_attributes
from bauta.train.batches import Batch
from bauta.train.cast import ColorCast
from bauta.train.engine import engine
from bauta.train.examples import Held, held_out
from bauta.train.judge import judge
from bauta.train.loop import epoch, fit
from bauta.train.objective import Identity, Objective
from bauta.train.presets import PRESETS, Recipe, preset, published, small
from bauta.train.recognizing import train_recognizer
from bauta.train.run import Training, load_pipeline
from bauta.train.teaching import Teaching, lessons

__all__ = [
    "PRESETS",
    "Attributing",
    "Batch",
    "ColorCast",
    "Held",
    "Identity",
    "Objective",
    "Recipe",
    "Teaching",
    "Training",
    "engine",
    "epoch",
    "fit",
    "held_out",
    "judge",
    "lessons",
    "load_pipeline",
    "preset",
    "published",
    "small",
    "train_attributes",
    "train_recognizer",
]
