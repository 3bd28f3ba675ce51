"""Models of IP lists and their entries."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Lower

from accounts.models import Account
from keys.model_fields import NetworkField


class IpList(models.Model):
    """A named, reusable list of addresses in an account."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="ip_lists")
    name = models.CharField(max_length=200)
    description = models.CharField(max_length=500, blank=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "IP list"
        verbose_name_plural = "IP lists"
        constraints: ClassVar = [
            models.UniqueConstraint("account", Lower("name"), name="ip_list_name_unique_in_account"),
        ]

    def __str__(self) -> str:
        return self.name


class IpListEntry(models.Model):
    """A network of a list. A disabled entry admits no address."""

    ip_list = models.ForeignKey(IpList, models.CASCADE, related_name="entries")
    network = NetworkField()
    description = models.CharField(max_length=200, blank=True)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "IP list entry"
        verbose_name_plural = "IP list entries"
        constraints: ClassVar = [models.UniqueConstraint("ip_list", "network", name="network_once_in_ip_list")]

    def __str__(self) -> str:
        return str(self.network)
