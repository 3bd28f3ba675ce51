"""Models of APIs: documents and policies, modules with their routes, and the accounts that may have keys of them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Upper

from accounts.models import Account


class Api(models.Model):
    """A protected HTTP API: its OpenAPI document and its policy, shared by all accounts."""

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    document = models.JSONField()
    policy = models.JSONField()
    # The base URL that Support set; empty to use that of the policy or the document.
    request_link = models.CharField(max_length=200, blank=True, default="", db_default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "API"
        verbose_name_plural = "APIs"

    def __str__(self) -> str:
        return self.name


class Module(models.Model):
    """A named part of an API that a key may be granted."""

    api = models.ForeignKey(Api, models.CASCADE, related_name="modules")
    slug = models.SlugField(max_length=64)
    name = models.CharField(max_length=200)
    number = models.PositiveIntegerField(null=True)
    position = models.PositiveSmallIntegerField(default=0)
    # Slugs of all modules that it contains, directly or through others (keys.decision.containment).
    contained = models.JSONField(default=list, db_default=Value([], models.JSONField()))

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("api", "slug", name="module_slug_unique_in_api")]

    def __str__(self) -> str:
        return self.name


class Route(models.Model):
    """`METHOD path-template` of a module, such as `GET /customers/{id}`."""

    module = models.ForeignKey(Module, models.CASCADE, related_name="routes")
    method = models.CharField(max_length=10)
    template = models.CharField(max_length=500)
    conditions = models.JSONField(default=dict)
    adds_leads = models.BooleanField(default=False)
    recording = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("module", "method", "template", "conditions", name="route_unique_in_module"),
            models.CheckConstraint(condition=Q(method=Upper(F("method"))), name="route_method_upper_case"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


class Enablement(models.Model):
    """Allows an account to have keys of an API."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="enablements")
    api = models.ForeignKey(Api, models.CASCADE, related_name="enablements")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("account", "api", name="api_enabled_once_for_account")]

    def __str__(self) -> str:
        return f"{self.api_id} for {self.account_id}"
