"""Fields of forms whose text has a rule of its own, with the error where it was typed."""

from __future__ import annotations

from typing import Any

from django import forms

from onboarding.domain import prose
from onboarding.domain.errors import Refused
from onboarding.domain.named_files import LONGEST, named_file


class LineField(forms.CharField):
    """One line that people write for people."""

    def clean(self, value: Any) -> str:
        """Nothing that no reader sees."""
        said: str = super().clean(value)
        try:
            return prose.line(said, field="", longest=self.max_length or 200)
        except Refused as refused:
            raise forms.ValidationError(str(refused), code=refused.refusals[0].code) from refused


class NamedFileField(forms.CharField):
    """The path of a file that holds a secret, a key or a certificate."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"required": False, "max_length": LONGEST, **options})

    def clean(self, value: Any) -> str:
        """A file that may be named."""
        said: str = super().clean(value)
        try:
            return named_file(said)
        except Refused as refused:
            raise forms.ValidationError(str(refused), code=refused.refusals[0].code) from refused
