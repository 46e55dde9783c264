"""What a picture may go through before the authorized recognizer sees it."""

from __future__ import annotations

from bauta.pipeline import Pipeline, System
from bauta.protections import JPEG, ImageProtection, Move, Resize, WhiteNoise

SERVICES: dict[str, ImageProtection] = {
    "JPEG 95": JPEG(95),
    "JPEG 75": JPEG(75),
    "noise 0.1": WhiteNoise(0.1),
    "resized to 96 and back": Resize(96),
    "shifted by 2 pixels": Move(right=2, down=2),
    "turned by 3 degrees": Move(degrees=3),
}


def served(name: str, system: System, services: dict[str, ImageProtection] = SERVICES) -> dict[str, System]:
    """The system once for each service, which stands behind the protections of the probe."""
    probe = system.probe
    return {
        f"{name} | {service}": System(Pipeline(probe.recognizer, *probe.protections, step), system.gallery)
        for service, step in services.items()
    }
