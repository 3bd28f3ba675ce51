"""`demo`: fill an empty database with sample accounts, users, keys and calls."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from config.demo import load as demo_load


class Command(BaseCommand):
    help = "Fill an empty database with two accounts, a user of each role, keys and calls; never in production."

    def handle(self, *args: Any, **options: Any) -> None:
        demo_load.load_demo()
        for line in demo_load.list_instructions():
            self.stdout.write(line)
