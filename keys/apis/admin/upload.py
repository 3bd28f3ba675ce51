"""An uploaded API between its preview and its confirmation: signed into the form, so that exactly what was previewed is
saved."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from typing import NamedTuple, Self

from django.core import signing

from keys.apis import EditConflict
from keys.apis.description import Description
from keys.apis.difference import Difference, get_difference
from keys.apis.proposal import ProposedModule, propose_modules, render_with_proposal
from keys.apis.rendering import render_document, render_policy
from keys.apis.text_difference import Line, compare_texts
from keys.models import Api

SECONDS = 3600
SALT = "keys.apis.admin.pages"
# Fits an incompressible document and policy of MAX_BYTES, in base64 (config.request_limits).
MAX_UPLOAD_LENGTH = 23_000_000
TOO_LARGE = "The document and the policy together are too large. Shorten the policy."


class TextDifference(NamedTuple):
    """The differing lines of the document or the policy, and how many more are not shown."""

    label: str
    lines: list[Line]
    more: int


class Upload(NamedTuple):
    """An API as uploaded. `previewed` is the difference shown in the preview; None for a new API."""

    slug: str
    description: Description
    previewed: Difference | None = None

    @property
    def texts(self) -> dict[str, str]:
        """Document and policy as text, for further editing."""
        rules = self.description.rules
        return {"document": render_document(self.description.document), "policy": render_policy(rules)}

    @property
    def proposed(self) -> tuple[ProposedModule, ...]:
        """Proposed modules for operations without a tag."""
        description = self.description
        return propose_modules(description.document, description.policy, description.modules)

    @property
    def texts_with_proposal(self) -> dict[str, str]:
        return self.texts | {"policy": render_with_proposal(self.description.rules, self.proposed)}

    def list_text_differences(self, api: Api) -> list[TextDifference]:
        """Return the line differences of policy and document; unchanged ones are left out."""
        before = {"document": render_document(api.document), "policy": render_policy(api.policy)}
        labels = {"policy": "Policy", "document": "OpenAPI document"}
        after = self.texts
        return [
            TextDifference(label, *compare_texts(before[name], after[name]))
            for name, label in labels.items()
            if before[name] != after[name]
        ]

    def sign(self, user_id: int) -> str:
        """Return the upload as a signed text that is valid for this user for an hour. Raise ValueError if it is too
        large."""
        content = [self.slug, self.description.document, self.description.rules, self._fingerprint]
        text = signing.dumps(content, salt=f"{SALT} {user_id}", compress=True)
        if len(text) > MAX_UPLOAD_LENGTH:
            raise ValueError(TOO_LARGE)
        return text

    @classmethod
    def load(cls, user_id: int, text: str, api: Api | None) -> Self:
        """Return the upload from a signed text, with its difference from the API as stored now. Raise BadSignature."""
        slug, document, rules, fingerprint = signing.loads(text, salt=f"{SALT} {user_id}", max_age=SECONDS)
        if (api.slug if api else None) != (slug if fingerprint else None):
            raise signing.BadSignature("the preview was of another API")
        description = Description.from_data(document, rules)
        return cls(slug, description, get_difference(api, description) if api else None)

    def require_as_shown(self, user_id: int, text: str) -> None:
        """Raise EditConflict if the difference is no longer the one that was previewed and signed."""
        *_, fingerprint = signing.loads(text, salt=f"{SALT} {user_id}", max_age=SECONDS)
        if self._fingerprint != fingerprint:
            raise EditConflict(f"{self.description.name} or its keys have changed in the meantime.")

    @property
    def _fingerprint(self) -> str:
        """Digest of the difference shown; empty for a new API."""
        if self.previewed is None:
            return ""
        # Not asdict, which copies what may be as many impacts as the API has keys.
        parts = [getattr(self.previewed, field.name) for field in fields(self.previewed)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
