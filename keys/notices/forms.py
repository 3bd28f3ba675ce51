"""Forms of notices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.forms.confirm import ConfirmForm
from accounts.forms.users import ServiceErrorForm
from accounts.models import Account
from keys.notices.kinds import Kind
from keys.notices.selectors import Channels
from keys.notices.services.endpoints import list_endpoint_problems


class SwitchesForm(ServiceErrorForm):
    """The kinds of notices that an account gets by each channel."""

    mail = forms.MultipleChoiceField(required=False, choices=Kind.choices)
    webhook = forms.MultipleChoiceField(required=False, choices=Kind.choices)

    @property
    def channels(self) -> Mapping[Kind, Channels]:
        """Return the channels as they were ticked, also if something else that was sent is no kind."""
        mail, webhook = (self[name].value() or () for name in ("mail", "webhook"))
        return {kind: Channels(kind in mail, kind in webhook) for kind in Kind}


class EndpointForm(ServiceErrorForm, ConfirmForm):
    """The URL of a new webhook endpoint."""

    # As text: Django's URL field refuses host names without a dot, which internal networks have.
    url = forms.CharField(
        label="URL",
        max_length=10_000,
        widget=forms.URLInput(attrs={"placeholder": "https://hooks.example.com/keyward"}),
        help_text="Notices are sent to it as JSON (POST).",
    )
    field_order = ("url",)

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        if problems := list_endpoint_problems(self.account, url):
            raise forms.ValidationError(problems)
        return url
