"""All addresses: signing in here, everything else in the app."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import include, path

from onboarding.views.interruptions import SignIn

urlpatterns = [
    path("login/", SignIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("", include("onboarding.urls")),
]
