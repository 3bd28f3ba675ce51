"""The two most popular packages for API keys in Django, each with a log row by the ORM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.urls import path
from knox.auth import TokenAuthentication
from knox.models import AuthToken
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_api_key.models import APIKey
from rest_framework_api_key.permissions import HasAPIKey

from benchmarks.peers.views import NaiveCall


def log(request: Request, key: str) -> None:
    NaiveCall.objects.create(
        key=key,
        path=request.headers.get("X-Original-Uri", ""),
        address=request.headers.get("X-Forwarded-For", "127.0.0.1"),
        allowed=True,
    )


class ApiKeyView(APIView):
    authentication_classes: Sequence[Any] = ()
    permission_classes: Sequence[type[BasePermission]] = (HasAPIKey,)

    def get(self, request: Request) -> Response:
        log(request, request.headers["Authorization"].partition(" ")[2].partition(".")[0])
        return Response()


class KnoxView(APIView):
    authentication_classes: Sequence[Any] = (TokenAuthentication,)
    permission_classes: Sequence[type[BasePermission]] = (IsAuthenticated,)

    def get(self, request: Request) -> Response:
        log(request, request.user.get_username())
        return Response()


def make(count: int) -> dict[str, list[str]]:
    """Create keys of both packages; return what clients send after each scheme."""
    users = get_user_model().objects.bulk_create(get_user_model()(username=f"shop{n}") for n in range(count))
    return {
        "Api-Key": [APIKey.objects.create_key(name=f"Shop {n}")[1] for n in range(count)],
        "Token": [AuthToken.objects.create(user, expiry=None)[1] for user in users],
    }


urlpatterns = [path("api-key", ApiKeyView.as_view()), path("knox", KnoxView.as_view())]
