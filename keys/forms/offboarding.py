"""The form that deactivates a user and asks what becomes of each key they own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from django import forms

from accounts.forms.confirm import ConfirmForm, PasswordField
from accounts.models import User
from keys.forms.fields import DayField, get_end_of_day, set_choices
from keys.models import Key
from keys.services import KEEP, Invalid, KeyPlan, find_plan_problems

KEEP_CHOICE = ("leave", "Keep them: calls are refused until the keys are reassigned")
CHOICES = [
    ("give", "Reassign them: calls keep working"),
    ("expire", "Reassign them and let them expire: calls keep working until a date"),
    ("disable", "Disable them: calls are refused even if the user is reactivated"),
    KEEP_CHOICE,
]
KEY_CHOICES = [
    ("", "As chosen for all"),
    ("give", "Reassign"),
    ("expire", "Reassign and let it expire"),
    ("disable", "Disable"),
    ("leave", "Keep"),
]
UNTIL = "The keys work until the end of that day (UTC). A key that expires earlier keeps its date."


class NewOwnerField(forms.ChoiceField):
    """A user by primary key; required with the choices that ask for one."""

    needed = True


class NicknameField(forms.CharField):
    """The nickname of a new owner; required with the choices that ask for one."""

    widget = forms.TextInput(attrs={"list": "candidates", "autocomplete": "off"})
    needed = True


class OwnedKeyRow(NamedTuple):
    """A key of the user, how many of its calls were allowed in the last 30 days, and the fields about it."""

    key: Key
    calls: int
    fields: Sequence[forms.BoundField]


class OffboardingForm(ConfirmForm):
    """What becomes of all keys of a user, and of those that have a choice of their own. Only reassigning requires a
    confirmation.

    `keys` are all live keys of the user; the first `listed` of them can have their own choice. Without `candidates`,
    in an account whose keys cannot change, all are kept.
    """

    keys = forms.ChoiceField(label="Their keys", widget=forms.RadioSelect, choices=CHOICES)
    heir = NewOwnerField(label="New owner", required=False)
    expires_on = DayField(label="Expires on", required=False, help_text=UNTIL)
    password = PasswordField(required=False)
    field_order = ("keys", "heir", "expires_on", "password")

    def __init__(self, *args: Any, keys: Sequence[Key], listed: int, candidates: Iterable[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owned = keys
        self._default: KeyPlan | None = None
        self._plans: dict[str, KeyPlan] = {}
        self.candidates = list(candidates)
        self.by_nickname = {user.nickname.casefold(): user for user in self.candidates}
        named = [(str(user.pk), f"{user.nickname} ({user.email})") for user in self.candidates]
        set_choices(self.fields["heir"], [("", "Select a user"), *named])
        if not self.candidates:
            set_choices(self.fields["keys"], [KEEP_CHOICE])
            self.fields["keys"].initial = "leave"
            del self.fields["heir"], self.fields["expires_on"]
        self.listed = keys[:listed] if self.candidates and len(keys) > 1 else []
        for key in self.listed:
            self._add_fields(key)

    def _add_fields(self, key: Key) -> None:
        names = _get_field_names(key.public_id)
        self.fields |= {
            names[0]: forms.ChoiceField(label="What happens", required=False, choices=KEY_CHOICES),
            names[1]: NicknameField(label="New owner", required=False, max_length=64),
            names[2]: DayField(label="Expires on", required=False),
        }

    @cached_property
    def _own(self) -> dict[str, tuple[str, str, str]]:
        return {key.public_id: _get_field_names(key.public_id) for key in self.listed}

    def list_rows(self, calls: Mapping[str, int]) -> list[OwnedKeyRow]:
        """Return a row for each listed key, or for the only one; `calls` are the allowed ones by API ID."""
        keys = self.listed or self.owned[:1]
        return [
            OwnedKeyRow(key, calls.get(key.public_id, 0), [self[name] for name in self._own.get(key.public_id, ())])
            for key in keys
        ]

    @property
    def refused_keys(self) -> list[str]:
        """Return the API IDs of the keys that calls are refused with, as far as the form is filled in."""
        return [key.public_id for key, plan in self.planned if plan.new_owner is None]

    def describe_expiry(self) -> str:
        """Return how many keys expire when, a sentence for each day; empty if none does."""
        days = Counter(plan.expires_at for _, plan in self.planned if plan.expires_at)
        return " ".join(
            f"{count} {'key expires' if count == 1 else 'keys expire'} on {at:%Y-%m-%d %H:%M} UTC or before: "
            "every call is refused from then on."
            for at, count in sorted(days.items())
        )

    @property
    def planned(self) -> list[tuple[Key, KeyPlan]]:
        """Return the plan of each key; those without a valid one are kept."""
        default = self._default or KEEP
        return [(key, self._plans.get(key.public_id, default)) for key in self.owned]

    @property
    def gives_away(self) -> bool:
        return any(plan.new_owner for _, plan in self.planned)

    @property
    def default(self) -> KeyPlan:
        return self._default or KEEP

    @property
    def plans(self) -> Mapping[str, KeyPlan]:
        return self._plans

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self._plans = {}
        for public_id, (choice, heir, day) in self._own.items():
            if cleaned.get(choice):
                owner = (
                    self._find_heir(heir, cleaned.get(heir) or "") if cleaned[choice] in ("give", "expire") else None
                )
                if plan := self._build_plan(cleaned[choice], owner, heir, day, cleaned):
                    self._plans[public_id] = plan
        with_own_choice = {public_id for public_id, (choice, *_) in self._own.items() if cleaned.get(choice)}
        if cleaned.get("keys") and any(key.public_id not in with_own_choice for key in self.owned):
            new_owner = next((user for user in self.candidates if str(user.pk) == cleaned.get("heir")), None)
            self._default = self._build_plan(cleaned["keys"], new_owner, "heir", "expires_on", cleaned)
        self.add_plan_problems(find_plan_problems(self.planned))
        if self.gives_away and not self.has_confirmation:
            self.add_error("password", "Reassigning keys needs your confirmation.")
        return cleaned

    def add_plan_problems(self, problems: Mapping[str, str]) -> None:
        """Show what is wrong with the plan of a key at the key's own fields, or at those for all."""
        for public_id, problem in problems.items():
            if public_id not in self._own:
                self.add_error("expires_on", problem)
            else:
                choice, _, day = self._own[public_id]
                self.add_error(day if public_id in self._plans else choice, problem)

    def add_service_errors(self, problem: Invalid) -> None:
        """Show the errors of the service, whose names are API IDs or fields."""
        errors = {name: " ".join(messages) for name, messages in problem.message_dict.items()}
        public_ids = {key.public_id for key in self.owned}
        self.add_plan_problems({name: text for name, text in errors.items() if name in public_ids})
        for name, text in errors.items():
            if name not in public_ids:
                self.add_error(name if name in self.fields else None, text)

    def _find_heir(self, field: str, nickname: str) -> User | None:
        user = self.by_nickname.get(nickname.strip().casefold())
        if nickname and user is None:
            self.add_error(field, f'"{nickname}" is not an active user of this account. Choose one of the list.')
        return user

    def _build_plan(
        self, choice: str, owner: User | None, heir: str, day: str, cleaned: Mapping[str, Any]
    ) -> KeyPlan | None:
        """Return the plan that was chosen; None, with errors at the fields, if it is not complete."""
        if choice not in ("give", "expire"):
            return KeyPlan(disable=choice == "disable")
        if owner is None and heir not in self.errors:
            self.add_error(heir, "Choose the new owner.")
        until: datetime | None = None
        if choice == "expire":
            if cleaned.get(day):
                until = get_end_of_day(cleaned[day])
            elif day not in self.errors:
                self.add_error(day, "Choose the last day on which calls work.")
        if owner is None or (choice == "expire" and until is None):
            return None
        return KeyPlan(new_owner=owner, expires_at=until)


def _get_field_names(public_id: str) -> tuple[str, str, str]:
    """Return the names of a key's own choice, new owner and expiry."""
    return f"keys-{public_id}", f"heir-{public_id}", f"expires_on-{public_id}"
