"""The model of links to a key's documentation. Only keys.services.docs_links writes it."""

from __future__ import annotations

from django.db import models

from keys.models.keys import Key


class DocsLink(models.Model):
    """A link with which anyone can read a key's documentation without signing in, until it expires. Deleted when it is
    revoked."""

    key = models.ForeignKey(Key, models.CASCADE, related_name="docs_links")
    digest = models.BinaryField(unique=True, db_comment="SHA-256 of the link's token")
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"link {self.pk} to the documentation of key {self.key_id}"
