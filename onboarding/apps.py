"""The app that onboards clusters to a fleet."""

from __future__ import annotations

from django.apps import AppConfig


class OnboardingConfig(AppConfig):
    """Registers the app's models and system checks."""

    name = "onboarding"
    verbose_name = "Fleet onboarding"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Hear of every sign-in and every connection to the database, from the first one on."""
        from onboarding import timestamps  # noqa: F401
        from onboarding.views import signed_in  # noqa: F401
