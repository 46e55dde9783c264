"""A system behind what pictures may go through before the authorized recognizer sees them."""

from __future__ import annotations

from bauta.pipeline import Pipeline, System
from bauta.protections import ImageProtection
from bauta.protections.images.service import SERVICES


def served(name: str, system: System, services: dict[str, ImageProtection] = SERVICES) -> dict[str, System]:
    """The system once for each service, which stands behind the protections of the probe."""
    probe = system.probe
    return {
        f"{name} | {service}": System(Pipeline(probe.recognizer, *probe.protections, step), system.gallery)
        for service, step in services.items()
    }
