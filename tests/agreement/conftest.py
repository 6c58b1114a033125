"""Real Helm, as the fleet's charts are tested with it."""

from tests.template.conftest import helm

__all__ = ["helm"]
