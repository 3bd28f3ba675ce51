"""Models of APIs, keys, secrets and restrictions. Only keys.services, keys.apis and keys.ip_lists.services write them.

A trigger watches every column that may change a decision (keys/epoch_triggers.py). A new column that the decision reads
or the gateway hands to the upstream must be added there.
"""

from __future__ import annotations

from keys.models.apis import Api, Enablement, Module, Route
from keys.models.docs_links import DocsLink
from keys.models.ip_lists import IpList, IpListEntry
from keys.models.keys import (
    NEVER,
    Address,
    Creation,
    Key,
    KeyIpList,
    KeyListing,
    KeyModule,
    Secret,
    SecretUse,
)
from keys.notices import models as notice_models  # noqa: F401 - registers them

__all__ = [
    "NEVER",
    "Address",
    "Api",
    "Creation",
    "DocsLink",
    "Enablement",
    "IpList",
    "IpListEntry",
    "Key",
    "KeyIpList",
    "KeyListing",
    "KeyModule",
    "Module",
    "Route",
    "Secret",
    "SecretUse",
]
