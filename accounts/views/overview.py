"""The overview."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import needs
from accounts.permissions import Permission
from accounts.policy import has


@needs(Permission.PROFILE)
def overview(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/overview.html")
