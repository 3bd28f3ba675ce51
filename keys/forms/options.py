"""What a key form offers to choose from, and its sections in the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django import forms

from accounts.models import Account, User
from keys.apis.modules import ModuleSpec
from keys.apis.policy import Policy
from keys.docs.abilities import Ability
from keys.models import Api, IpList


@dataclass(frozen=True)
class KeyFormOptions:
    """The choices that the form offers, and the policy that they follow."""

    account: Account
    api: Api
    rules: Policy
    modules: Sequence[ModuleSpec]
    # What each module allows, by slug.
    abilities: Mapping[str, Ability]
    ip_lists: Sequence[IpList]
    owners: Sequence[User] = ()


@dataclass(frozen=True, slots=True)
class FormSection:
    """One setting in the template. A setting that cannot be changed has a text instead of fields."""

    name: str
    label: str
    fields: tuple[forms.BoundField, ...]
    text: str = ""
    note: str = ""

    @property
    def errors(self) -> list[str]:
        return [str(error) for field in self.fields for error in field.errors]
