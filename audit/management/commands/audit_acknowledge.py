"""manage.py audit_acknowledge: acknowledge the problems that verifications found."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.trail import verification_state
from core.actor import Actor
from core.authorization import find_decision_maker
from core.program import PROGRAM


class Command(BaseCommand):
    help = (
        "Acknowledge the findings of verifications of the audit trail and the API log, so that checkpoints are signed "
        "again. This records an event with your name and reason. Findings that can be repaired are reported again "
        "until they are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--by",
            required=True,
            metavar="EMAIL",
            help="the person who acknowledges: a Support user or, if there is none, an Administrator",
        )
        parser.add_argument(
            "--reason", required=True, metavar="TEXT", help="what happened, and where it is being investigated"
        )

    def handle(self, *args: Any, by: str, reason: str, **options: Any) -> None:
        user = find_decision_maker(by)
        if user is None:
            raise CommandError(
                f"--by {by!r} is not the e-mail address of an active user who is Support or, where nobody is Support, "
                "an Administrator."
            )
        if not reason.strip():
            raise CommandError("--reason is empty; say what happened.")
        actor = Actor(kind="command", id="audit_acknowledge", label=f"{user.email} by {PROGRAM} audit_acknowledge")
        closed = verification_state.acknowledge(by=actor, reason=reason.strip())
        if not closed:
            self.stdout.write("There is nothing to acknowledge.")
            return
        self.stdout.write(f"Acknowledged by {user.email}:")
        for text in closed:
            self.stdout.write(f"- {text}")
        self.stdout.write("The next verification covers everything from the beginning.")
