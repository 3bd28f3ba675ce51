"""An API as Support uploaded it, on its way from the page that shows what it changes to the one that saves it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import NamedTuple, Self

from django.core import signing

from keys.apis import ChangedMeanwhile
from keys.apis.description import Description
from keys.apis.difference import Difference, difference
from keys.models import Api

SECONDS = 3600
SALT = "keys.admin.apis"
# What a form may hold besides files is limited (DATA_UPLOAD_MAX_MEMORY_SIZE).
LARGEST = 2_000_000
TOO_LARGE = "This is too large for this page. Use manage.py import_api."


class Upload(NamedTuple):
    """An API as it was uploaded. `seen` is what Support was shown that it changes; None of a new one."""

    slug: str
    description: Description
    seen: Difference | None = None

    def signed(self, user_id: int) -> str:
        """For the form that confirms it: no one else's, and only for an hour. Raises ValueError if it is too large."""
        content = [self.slug, self.description.document, self.description.rules, self._fingerprint]
        text = signing.dumps(content, salt=f"{SALT} {user_id}", compress=True)
        if len(text) > LARGEST:
            raise ValueError(TOO_LARGE)
        return text

    @classmethod
    def unsigned(cls, user_id: int, text: str, api: Api | None) -> Self:
        """Raises BadSignature, or ChangedMeanwhile if it would change something else by now."""
        slug, document, rules, fingerprint = signing.loads(text, salt=f"{SALT} {user_id}", max_age=SECONDS)
        if (api.slug if api else None) != (slug if fingerprint else None):
            raise signing.BadSignature("it was shown for another API")
        description = Description.of(document, rules)
        upload = cls(slug, description, difference(api, description) if api else None)
        if api and upload._fingerprint != fingerprint:
            raise ChangedMeanwhile(f"{api.name} or its keys were changed in the meantime.")
        return upload

    @property
    def _fingerprint(self) -> str:
        """Of what was shown; empty of a new API."""
        return hashlib.sha256(json.dumps(asdict(self.seen)).encode()).hexdigest() if self.seen else ""
