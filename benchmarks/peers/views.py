"""Django views behind gunicorn, with Django's default middleware.

`bare` does nothing; `naive` looks up the key and inserts a row with the ORM, with an index or two on each table.
"""

from __future__ import annotations

import hashlib
from typing import ClassVar

from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import path


class NaiveKey(models.Model):
    digest = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    active = models.BooleanField(default=True)

    class Meta:
        app_label = "peers"

    def __str__(self) -> str:
        return self.name


class NaiveCall(models.Model):
    time = models.DateTimeField(auto_now_add=True)
    key = models.CharField(max_length=200)
    path = models.CharField(max_length=2000)
    address = models.GenericIPAddressField()
    allowed = models.BooleanField()

    class Meta:
        app_label = "peers"
        indexes: ClassVar = [
            models.Index("key", "time", name="naive_call_key"),
            models.Index("time", name="naive_time"),
        ]

    def __str__(self) -> str:
        return self.path


def make(tokens: list[str]) -> None:
    from django.db import connection

    with connection.schema_editor() as editor:
        editor.create_model(NaiveKey)
        editor.create_model(NaiveCall)
    NaiveKey.objects.bulk_create(
        NaiveKey(digest=hashlib.sha256(token.encode()).hexdigest(), name=f"Shop {n}") for n, token in enumerate(tokens)
    )


def bare_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def naive_view(request: HttpRequest) -> HttpResponse:
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    key = NaiveKey.objects.filter(digest=hashlib.sha256(token.encode()).hexdigest(), active=True).first()
    NaiveCall.objects.create(
        key=key.name if key else "",
        path=request.headers.get("X-Original-Uri", ""),
        address=request.headers.get("X-Forwarded-For", "127.0.0.1"),
        allowed=key is not None,
    )
    return HttpResponse(status=200 if key else 401)


urlpatterns = [path("", bare_view), path("naive", naive_view)]
