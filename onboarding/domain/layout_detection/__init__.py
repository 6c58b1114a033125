"""Which layout an existing repository follows: read from its own ApplicationSets, then from its files.

What the hub reads decides; the files only say where the folders are whose names the hub keeps to
itself (annotations of its cluster secret). Every part of the answer carries where it was read, and
what was not understood is said instead of guessed.
"""

from __future__ import annotations

from onboarding.domain.layout_detection.finding import OWN, Detection, detect
from onboarding.domain.layout_detection.notes import Evidence

__all__ = ["OWN", "Detection", "Evidence", "detect"]
