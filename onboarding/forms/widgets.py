"""Inputs that Django does not have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


class SuggestingInput(forms.TextInput):
    """A text input that suggests known values and takes any other: an input with its `<datalist>`."""

    def __init__(
        self, suggestions: Sequence[str] = (), attrs: dict[str, Any] | None = None
    ) -> None:
        super().__init__(attrs)
        self.suggestions = suggestions

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        """The input, and behind it the list that browsers offer while typing."""
        key = f"{name}-suggestions"
        field = super().render(name, value, {**(attrs or {}), "list": key}, renderer)
        options = format_html_join(
            "", '<option value="{}"></option>', ((one,) for one in self.suggestions)
        )
        return format_html('{}<datalist id="{}">{}</datalist>', field, key, options)
