"""All addresses: signing in and out here, everything else in the app."""

from __future__ import annotations

from django.urls import include, path

from onboarding.views import sign_in

urlpatterns = [
    path("login/", sign_in.SignIn.as_view(), name="login"),
    path("login/provider/", sign_in.provider_begin, name="provider-begin"),
    path("login/callback/", sign_in.provider_callback, name="provider-callback"),
    path("login/ended/", sign_in.provider_ended, name="provider-ended"),
    path("logout/", sign_in.sign_out, name="logout"),
    path("", include("onboarding.urls")),
]
