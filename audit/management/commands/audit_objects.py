"""manage.py audit_objects: print the database objects that audit/trail/objects.txt lists."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from audit.trail.database_objects import describe_objects
from audit.trail.verification import get_application_role
from core.replica import open_snapshot


class Command(BaseCommand):
    help = "Print the definitions, triggers and privileges that audit_verify compares with audit/trail/objects.txt."

    def handle(self, *args: Any, **options: Any) -> None:
        role = get_application_role()
        with open_snapshot(seconds=60, using="maintenance") as cursor:
            for line in describe_objects(cursor, role):
                self.stdout.write(line)
