"""The form of the access check. A pasted token, and whatever looks like one, is never sent back."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from core.filters.fields import TimeField
from core.redaction import contains_secret, decode_basic, redact
from keys.crypto.secrets import parse_masked_token
from keys.crypto.token_scan import FoundToken, scan
from keys.decision.addresses import Address, parse_address
from keys.models import Api, Key
from keys.selectors.access_check import CheckedCall

# As the gateway accepts them.
METHOD = re.compile(r"[A-Z][A-Z-]{0,19}")
MAX_TARGET_LENGTH = 8000
MAX_TOKEN_LENGTH = 2000
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


class AccessCheckForm(forms.Form):
    """A call to check. `keys` are those that may be named, deleted ones included, and `apis` those that may be called.

    Without `may_paste` there is no field for a token.
    """

    key = forms.CharField(
        label="Key",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={**PLAIN, "list": "known_keys"}),
        help_text="Its API ID.",
    )
    token = forms.CharField(
        label="Or a token",
        required=False,
        max_length=MAX_TOKEN_LENGTH,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=(
            "A token, or the whole header that contains it. It is compared with the key's secrets; the check is "
            "recorded, the token is not stored. Without a token, the secret is assumed to be correct."
        ),
    )
    method = forms.CharField(
        label="Method",
        max_length=20,
        initial="GET",
        widget=forms.TextInput(attrs={**PLAIN, "list": "known_methods"}),
    )
    path = forms.CharField(
        label="Path and query",
        max_length=MAX_TARGET_LENGTH,
        widget=forms.TextInput(attrs={**PLAIN, "placeholder": "/customers?page=2"}),
        help_text="As the client sends it.",
    )
    address = forms.CharField(
        label="Client address",
        max_length=100,
        widget=forms.TextInput(attrs={**PLAIN, "placeholder": "203.0.113.7"}),
        help_text="As the proxy sees it.",
    )
    time = TimeField(
        label="Time (UTC)",
        required=False,
        help_text="Determines expiry and old secrets; all other settings are the current ones. Empty means now.",
    )
    api = forms.ModelChoiceField(
        Api.objects.none(),
        label="API that is called",
        required=False,
        empty_label="The key's own",
        to_field_name="slug",
    )

    def __init__(
        self, data: Any = None, *, initial: Any = None, keys: QuerySet[Key], apis: QuerySet[Api], may_paste: bool
    ) -> None:
        super().__init__(data, initial=initial)
        self.keys = keys
        self.fields["api"].queryset = apis  # type: ignore[attr-defined]
        if not may_paste:
            del self.fields["token"]

    def clean_key(self) -> str:
        text = parse_masked_token(self.cleaned_data["key"])
        if contains_secret(text):
            self._forget("key", "")
            raise ValidationError("This looks like a token. Paste it into the field for tokens.")
        if text and not self.keys.filter(public_id=text).exists():
            raise ValidationError(f'No key has the API ID "{text}". It has 12 letters and digits.')
        return text

    def clean_token(self) -> FoundToken | None:
        """Return the token in the text; None for no text. Raise ValidationError unless it holds exactly one."""
        text = self.cleaned_data["token"]
        if not text:
            return None
        found = {each.token: each for each in scan(BytesIO(f"{text} {decode_basic(text)}".encode()).read)}
        if not found:
            raise ValidationError("This is not a token. Its form is <prefix>_<API ID>_<38 letters and digits>.")
        if len(found) > 1:
            raise ValidationError("Paste only one token.")
        return next(iter(found.values()))

    def clean_method(self) -> str:
        method = str(self.cleaned_data["method"]).upper()
        if not METHOD.fullmatch(method):
            raise ValidationError(f'"{method}" is not a method. Write it like GET or POST.')
        return method

    def clean_path(self) -> str:
        path = str(self.cleaned_data["path"])
        if contains_secret(path):
            self._forget("path", redact(path))
        if not path.startswith("/"):
            raise ValidationError("The path begins with /, as in /customers?page=2.")
        return path

    def clean_address(self) -> Address:
        text = self.cleaned_data["address"]
        address = parse_address(text)
        if address is None:
            raise ValidationError(f'"{text}" is not an address. Write it like 203.0.113.7 or 2001:db8::7.')
        return address

    def clean_time(self) -> datetime | None:
        at = self.cleaned_data["time"]
        return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors.keys() & {"key", "token"}:
            return cleaned
        key, token, api = cleaned.get("key"), cleaned.get("token"), cleaned.get("api")
        if not key and token is None:
            self.add_error("key", f"Enter a key's API ID{' or paste a token' if 'token' in self.fields else ''}.")
        elif key and token is not None and token.public_id != key:
            self.add_error("key", f"The token is of another key, {token.public_id}. Leave one of them empty.")
        elif not key and api is None and not self.keys.filter(public_id=token.public_id if token else "").exists():
            self.add_error("api", "The token belongs to no key that you can see. Choose the API that is called.")
        return cleaned

    @property
    def call(self) -> CheckedCall:
        """The call of a valid form. A token with a wrong checksum presents no key, as for the gateway."""
        cleaned = self.cleaned_data
        token: FoundToken | None = cleaned.get("token")
        presented = token.public_id if token and token.intact else cleaned["key"] if not token else None
        return CheckedCall(
            cleaned["method"],
            cleaned["path"],
            cleaned["address"],
            presented,
            token.token if token and token.intact else "",
            cleaned["api"] or self._find_api(token),
            cleaned["time"],
        )

    def _find_api(self, token: FoundToken | None) -> Api | None:
        """Return the API of the key that a mistyped token names."""
        if token is None or token.intact:
            return None
        row = self.keys.filter(public_id=token.public_id).select_related("api").defer("api__document").first()
        return row.api if row else None

    def _forget(self, name: str, text: str) -> None:
        """Put another text in place of one that looks like a secret, so that the page does not send it back."""
        data: Any = self.data
        self.data = data.copy()
        self.data[name] = text  # type: ignore[index]
