"""The form of a service token: whose, for what, for which fleets, for how long."""

from __future__ import annotations

from typing import Any

from django import forms

from onboarding.domain.errors import Refused
from onboarding.domain.tokens import MOST_DAYS, Verb
from onboarding.models import Fleet

VERB = "verb_"
FLEET = "fleet_"


class TokenForm(forms.Form):
    """Asks for a token of a service; every verb and every fleet is a switch of its own."""

    name = forms.CharField(
        label="Service",
        max_length=40,
        help_text="Who uses it, as terraform-prod. A second token of one name goes on where the first ends.",
    )
    days = forms.IntegerField(
        label="Days", min_value=1, max_value=MOST_DAYS, initial=90, help_text="How long it lives."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fleets = list(Fleet.objects.all())
        for verb in Verb:
            self.fields[VERB + verb.value] = forms.BooleanField(
                label=verb.words, required=False, initial=verb is Verb.READ
            )
        for fleet in self._fleets:
            self.fields[FLEET + fleet.name] = forms.BooleanField(
                label=fleet.name, required=False, initial=len(self._fleets) == 1
            )

    @property
    def verbs(self) -> list[Verb]:
        """The verbs that were switched on."""
        return [verb for verb in Verb if self.cleaned_data.get(VERB + verb.value)]

    @property
    def fleets(self) -> list[Fleet]:
        """The fleets that were switched on."""
        return [fleet for fleet in self._fleets if self.cleaned_data.get(FLEET + fleet.name)]

    def refuse(self, refused: Refused) -> None:
        """Put each refusal at the field that it belongs to, or at the top."""
        for one in refused.refusals:
            self.add_error(one.field if one.field in self.fields else None, one.message)
