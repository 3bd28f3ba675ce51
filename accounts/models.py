"""Accounts and the people in them."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac

from accounts.permissions import ACCOUNT_ROLES, Role


class Account(models.Model):
    """The customer organisation, the tenant. Nothing crosses accounts."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        ACTIVE = "active", "Active"
        SUSPENDED = "suspended", "Suspended"

    class MaskSide(models.TextChoices):
        FIRST = "first", "from the start"
        LAST = "last", "from the end"

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    mask_phone = models.BooleanField(default=False)
    mask_digits = models.PositiveSmallIntegerField(default=4)
    mask_side = models.CharField(max_length=5, choices=MaskSide, default=MaskSide.LAST)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(status__in=["pending", "active", "suspended"]), name="account_status"),
            models.CheckConstraint(condition=Q(mask_side__in=["first", "last"]), name="account_mask_side"),
            models.CheckConstraint(condition=Q(mask_digits__lte=15), name="account_mask_digits"),
        ]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser):
    """A person. Signs in by e-mail; the row is written by accounts.services alone."""

    email = models.EmailField(unique=True)
    nickname = models.CharField(max_length=64)
    account = models.ForeignKey(Account, models.PROTECT, null=True, blank=True, related_name="users")
    roles = ArrayField(models.CharField(max_length=20, choices=Role.choices), default=list, blank=True)
    is_active = models.BooleanField(default=True)
    sessions_ended = models.PositiveIntegerField(default=0, db_comment="one more ends every session there is")
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(email=Lower(F("email"))), name="user_email_lower_case"),
            models.UniqueConstraint(
                "account",
                Lower("nickname"),
                name="user_nickname_unique_in_account",
                violation_error_message="This nickname is taken in this account.",
            ),
            models.CheckConstraint(
                condition=Q(roles__contained_by=ACCOUNT_ROLES, account__isnull=False)
                | Q(roles__contained_by=[Role.SUPPORT], account=None),
                name="user_support_has_no_account",
            ),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def is_staff(self) -> bool:
        return Role.SUPPORT in self.roles

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What every session carries: another password or another `sessions_ended` makes all of them worthless."""
        salt = "accounts.models.User.get_session_auth_hash"
        return salted_hmac(
            salt, f"{self.sessions_ended}:{self.password}", secret=secret, algorithm="sha256"
        ).hexdigest()


class ConfirmationAttempts(models.Model):
    """Confirmations of one user that were wrong or are being checked, in one row, so that parallel tries cannot slip
    past the limit. Written by accounts.confirmation alone."""

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="+")
    wrong = ArrayField(models.DateTimeField(), default=list, db_comment="when, within the window, oldest first")
    checking = ArrayField(models.DateTimeField(), default=list, db_comment="tries whose password is being hashed")
    locked_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{len(self.wrong)} wrong confirmations by user {self.user_id}"
