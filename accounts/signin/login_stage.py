"""The second step of sign-in as a stage of allauth's login, which the portal's own page completes."""

from __future__ import annotations

from allauth.account.stages import LoginStage
from allauth.mfa.stages import AuthenticateStage


class SecondFactor(AuthenticateStage):
    def handle(self) -> tuple:
        # Whatever ends sessions also ends a sign-in that waits for its second step.
        self.state["session"] = self.login.user.get_session_auth_hash()
        return super().handle()


def is_stage_valid(stage: LoginStage) -> bool:
    user = stage.login.user
    return bool(user and user.is_active and stage.state.get("session") == user.get_session_auth_hash())
