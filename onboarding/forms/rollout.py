"""The form of a rollout: what was typed becomes waves and channels, or an error at its field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django import forms

from onboarding.domain.errors import Refused
from onboarding.domain.releases import RELEASE_LABELS
from onboarding.domain.rollout_waves import SplitBy, parse_waves
from onboarding.forms.fields import LineField
from onboarding.forms.widgets import SuggestingInput
from onboarding.services.rollouts import Asked

_BY = (
    (SplitBy.ENVIRONMENT.value, "Environment"),
    (SplitBy.TENANT.value, "Tenant"),
    (SplitBy.LABEL.value, "Value of a label"),
    (SplitBy.LIST.value, "Cluster names"),
)
_MOST_NAMED = 12
_WORDS = {"addons": "Add-ons"}
_GROUPS = tuple(
    (label, _WORDS.get(group, group.capitalize())) for group, label in RELEASE_LABELS.items()
)

_HOW = (
    "One wave a line, in order; several values with commas. “@ 30m” or “@ 2h” at the end is how long "
    "this wave has to stay well."
)


class RolloutForm(forms.Form):
    """Which clusters go from which channel to which other one, in which waves."""

    label = forms.ChoiceField(label="Group", choices=_GROUPS)
    source = forms.CharField(label="From channel", max_length=63)
    target = forms.CharField(label="To channel", max_length=63)
    by = forms.ChoiceField(label="Split by", choices=_BY)
    key = forms.CharField(
        label="Label",
        max_length=317,
        required=False,
        help_text="Only where it is split by the value of a label: its key.",
    )
    waves = forms.CharField(
        label="Waves",
        max_length=100_000,
        widget=forms.Textarea(
            attrs={
                "rows": 5,
                "spellcheck": "false",
                "class": "form-control",
                "placeholder": "dev @ 10m\nstaging @ 2h\nprod",
            }
        ),
        help_text=_HOW,
    )
    soak = forms.IntegerField(
        label="Soak, in minutes",
        min_value=0,
        max_value=20_160,
        initial=10,
        help_text="How long all clusters of a wave have to stay well before the next one begins.",
    )
    patience = forms.IntegerField(
        label="Patience, in minutes",
        min_value=1,
        max_value=1_440,
        initial=15,
        help_text="A cluster that is not well so long after its commit pauses the rollout.",
    )
    title = LineField(label="Title", max_length=200, required=False)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        channels: Sequence[str] = (),
        environments: Sequence[str] = (),
        **more: Any,
    ) -> None:
        """`channels` are suggested for both ends, and `environments` said where the waves are written."""
        super().__init__(data, **more)
        if environments:
            here = ", ".join(environments[:_MOST_NAMED])
            more_of_them = ", …" if len(environments) > _MOST_NAMED else ""
            self.fields["waves"].help_text = f"{_HOW} Environments here: {here}{more_of_them}."
        for name in ("source", "target"):
            self.fields[name].widget = SuggestingInput(channels)
        for field in self.fields.values():
            kind = "form-select" if isinstance(field, forms.ChoiceField) else "form-control"
            field.widget.attrs.setdefault("class", kind)

    def clean(self) -> dict[str, Any]:
        """Read the waves, with the soak that they have of their own."""
        found = super().clean() or {}
        if found.get("by") == SplitBy.LABEL.value and not found.get("key"):
            self.add_error("key", "Say which label the waves go by.")
        if "waves" in found and "soak" in found:
            try:
                found["asks"] = parse_waves(found["waves"], soak=timedelta(minutes=found["soak"]))
            except Refused as refused:
                self.add_error("waves", str(refused))
        return found

    def asked(self) -> Asked:
        """What was asked for; only of a form that is valid."""
        found = self.cleaned_data
        return Asked(
            label=found["label"],
            source=found["source"].strip(),
            target=found["target"].strip(),
            waves=found["asks"],
            by=SplitBy(found["by"]),
            key=found["key"].strip(),
            patience=timedelta(minutes=found["patience"]),
        )

    def refuse(self, refused: Refused) -> None:
        """Show what was refused at its field, or above the form."""
        for one in refused.refusals:
            self.add_error(one.field if one.field in self.fields else None, one.message)
