"""The forms of bulks: a CSV of clusters that join, and what shall be the same on many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from onboarding.domain.bulk_csv import MOST_BYTES, Table, read
from onboarding.domain.errors import Refused
from onboarding.domain.intent_rules import check_label
from onboarding.forms.fields import LineField
from onboarding.forms.registration import OPTIONS, PIN
from onboarding.services.offers import Offer

INHERIT = "inherit"


class CsvForm(forms.Form):
    """A file, or the same pasted."""

    title = LineField(
        required=False,
        max_length=200,
        help_text="How people call it; others see it when they decide.",
    )
    file = forms.FileField(
        required=False, allow_empty_file=True, help_text="CSV, UTF-8. Or paste its lines below."
    )
    text = forms.CharField(
        label="Or paste it",
        required=False,
        strip=False,
        max_length=MOST_BYTES,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
    )

    table: Table

    def clean(self) -> dict[str, Any]:
        """Read it; what is wrong with the file as a whole stands at the field that it came by."""
        values: dict[str, Any] = super().clean() or {}
        upload, text = values.get("file"), str(values.get("text") or "")
        if bool(upload) == bool(text.strip()):
            self.add_error("file", "Choose a file or paste its lines, and not both.")
            return values
        try:
            data = upload.read(MOST_BYTES + 1) if upload else text.encode()
            self.table = read(data, options=tuple(OPTIONS))
        except Refused as refused:
            self.add_error("file" if upload else "text", str(refused))
        return values


class SameForm(forms.Form):
    """What shall be the same on all: each channel and flag is left alone, inherited, or pinned."""

    title = LineField(required=False, max_length=200)

    def __init__(self, *args: Any, offer: Offer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for channel in offer.channels:
            self.fields[PIN + channel.label] = _answer(channel.label, channel.types)
        for flag in offer.flags:
            self.fields[PIN + flag.label] = _answer(flag.component, ("true", "false"))
        self.fields["labels"] = forms.CharField(
            label="Other labels",
            required=False,
            strip=False,
            max_length=20_000,
            help_text="One a line, as team=payments; team= alone takes the pin away, and it inherits.",
            widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        )

    def clean_labels(self) -> dict[str, str | None]:
        """Label key -> the value to pin, or None to inherit."""
        found: dict[str, str | None] = {}
        for number, line in enumerate(str(self.cleaned_data["labels"]).splitlines(), start=1):
            if not line.strip():
                continue
            key, equals, value = (part.strip() for part in line.partition("="))
            if not equals:
                self.add_error("labels", f"Line {number} is not of the form key=value.")
            elif key in found:
                self.add_error("labels", f"Line {number}: {key:.80} is there twice.")
            for wrong in check_label(key, value or None) if equals else ():
                self.add_error("labels", f"Line {number}: {wrong.message}")
            found[key] = value or None
        return found

    def clean(self) -> dict[str, Any]:
        """At least one answer."""
        values: dict[str, Any] = super().clean() or {}
        if not self.errors and not self.pins() and not values.get("labels"):
            raise forms.ValidationError("Choose at least one thing that shall change.")
        return values

    def pins(self) -> dict[str, str | None]:
        """Label key -> the value to pin, or None to inherit; what is left alone is not in it."""
        return {
            name.removeprefix(PIN): None if value == INHERIT else value
            for name, value in self.cleaned_data.items()
            if name.startswith(PIN) and value
        }


def _answer(label: str, values: Sequence[str]) -> forms.ChoiceField:
    words = {"true": "On", "false": "Off"}
    choices = [("", "Leave as it is"), (INHERIT, "Inherit")]
    choices += [(value, f"Pin to {words.get(value, value)}") for value in values]
    return forms.ChoiceField(label=label, choices=choices, required=False)
