"""The forms of a webhook, and of what a person gets e-mail."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django import forms

from onboarding.domain.notices import Format, Topic
from onboarding.forms.fields import NamedFileField
from onboarding.models import Fleet, Webhook

TOPIC = "topic_"
# What every reader of addresses takes for the same: no blank, quote, backslash or fragment.
_ADDRESS = re.compile(
    r"https://[A-Za-z0-9.:_@\[\]-]+(?:/[A-Za-z0-9._~%!$&()*+,;=:@/-]*)?(?:\?[A-Za-z0-9._~%!$&()*+,;=:@/?-]*)?"
)
_FORMATS = ((Format.JSON.value, "JSON, signed"), (Format.SLACK.value, "Slack-compatible"))


class TopicsForm(forms.Form):
    """A switch for each topic."""

    def __init__(self, *args: Any, chosen: Mapping[str, bool] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for topic in Topic:
            self.fields[TOPIC + topic.value] = forms.BooleanField(
                label=topic.words, required=False, initial=(chosen or {}).get(topic.value, False)
            )

    @property
    def topics(self) -> list[Topic]:
        """The topics that were switched on."""
        return [topic for topic in Topic if self.cleaned_data.get(TOPIC + topic.value)]


class WebhookForm(TopicsForm):
    """An address to be told. Its key is named by a file, never entered."""

    name = forms.SlugField(
        max_length=63, help_text="How people call it, for example chat-platform."
    )
    url = forms.CharField(
        label="Address",
        max_length=500,
        required=False,
        help_text="https only. Private and link-local addresses are not reached.",
    )
    url_file = NamedFileField(
        label="File of the address",
        help_text="Instead of the address where that is a secret itself, as Slack's is.",
    )
    format = forms.ChoiceField(choices=_FORMATS, initial=Format.JSON.value)
    fleet = forms.ModelChoiceField(
        Fleet.objects.all(), required=False, empty_label="All fleets", help_text="Of which fleet."
    )
    secret_file = NamedFileField(
        label="File of the signing key",
        help_text="On the workers' machines. Empty: calls are not signed.",
    )
    enabled = forms.BooleanField(required=False, initial=True)

    def __init__(self, *args: Any, webhook: Webhook | None = None, **kwargs: Any) -> None:
        self._webhook = webhook
        if webhook is not None:
            kwargs["chosen"] = dict.fromkeys(webhook.topics, True)
            kwargs["initial"] = {
                name: getattr(webhook, name)
                for name in ("name", "url", "url_file", "format", "fleet", "secret_file", "enabled")
            }
        super().__init__(*args, **kwargs)

    def clean_name(self) -> str:
        """One webhook of a name."""
        name: str = self.cleaned_data["name"]
        others = Webhook.objects.filter(name=name)
        if self._webhook is not None:
            others = others.exclude(pk=self._webhook.pk)
        if others.exists():
            raise forms.ValidationError("There is a webhook of this name already.")
        return name

    def clean_url(self) -> str:
        """https, a host, nobody's password."""
        url: str = self.cleaned_data["url"]
        if not url:
            return url
        try:
            parts = urlsplit(url)
            port_is_sound = parts.port is None or parts.port > 0
        except ValueError:
            raise forms.ValidationError(
                "Enter a full address, such as https://chat.example.com/hook."
            ) from None
        if parts.scheme != "https":
            raise forms.ValidationError("Use https.")
        if not parts.hostname or not port_is_sound or not _ADDRESS.fullmatch(url):
            raise forms.ValidationError(
                "Enter a full address, such as https://chat.example.com/hook."
            )
        if parts.username or parts.password:
            raise forms.ValidationError("Leave user name and password out of the address.")
        return url

    def clean(self) -> dict[str, Any]:
        """At least one topic."""
        values: dict[str, Any] = super().clean() or {}
        if not ({"url", "url_file"} & self.errors.keys()) and bool(values.get("url")) == bool(
            values.get("url_file")
        ):
            self.add_error("url", "Enter the address or the file that holds it, and not both.")
        if not any(values.get(TOPIC + topic.value) for topic in Topic):
            self.add_error(None, "Choose at least one thing to be told of.")
        return values

    @property
    def values(self) -> dict[str, Any]:
        """What `notices.save_webhook` takes."""
        names = ("name", "url", "url_file", "format", "fleet", "secret_file", "enabled")
        kept = {name: self.cleaned_data[name] for name in names}
        return {**kept, "topics": [topic.value for topic in self.topics]}
