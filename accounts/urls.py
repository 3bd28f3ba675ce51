"""Paths of accounts."""

from __future__ import annotations

from django.urls import path

from accounts.views import overview, signing

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("login/", signing.sign_in, name="account_login"),
    path("logout/", signing.sign_out, name="account_logout"),
]
