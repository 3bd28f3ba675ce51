"""What notices are made about, a module for each kind. Each yields the account and the finding."""

from __future__ import annotations

from collections.abc import Iterator

from accounts.models import Account
from keys.notices.services.notices import Finding

Findings = Iterator[tuple[Account, Finding]]
