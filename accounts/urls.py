"""Paths of accounts."""

from __future__ import annotations

from django.urls import path

from accounts.views import invitations, membership, overview, passwords, people, profile, settings, signing

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("login/", signing.sign_in, name="account_login"),
    path("login/second-factor/", signing.second_factor, name="mfa_authenticate"),
    path("logout/", signing.sign_out, name="account_logout"),
    path("profile/", profile.profile, name="profile"),
    path("profile/password/", profile.password, name="profile-password"),
    path("profile/second-factor/", profile.enrol, name="profile-enrol"),
    path("profile/totp/", profile.totp, name="profile-totp"),
    path("profile/passkeys/new/", profile.new_passkey, name="profile-passkey-new"),
    path("profile/factors/<int:factor>/remove/", profile.remove_factor, name="profile-factor-remove"),
    path("profile/recovery-codes/", profile.recovery_codes, name="profile-recovery-codes"),
    path("profile/challenge/", profile.challenge, name="profile-challenge"),
    path("profile/sessions/end/", profile.end_others, name="profile-sessions-end"),
    path("profile/sessions/<int:session>/end/", profile.end_one, name="profile-session-end"),
    path("password/reset/", passwords.reset, name="account_reset_password"),
    path("password/reset/done/", passwords.reset_done, name="account_reset_password_done"),
    path("password/reset/<str:uidb36>/<str:key>/", passwords.reset_from_key, name="account_reset_password_from_key"),
    path("password/reset/set/", passwords.reset_from_key_done, name="account_reset_password_from_key_done"),
    path("invitation/<str:token>/", invitations.invitation_accept, name="invitation"),
    path("users/", people.user_list, name="user-list"),
    path("users/export/", people.user_export, name="user-export"),
    path("users/invite/", invitations.user_invite, name="user-invite"),
    path("users/invitations/<int:pk>/withdraw/", invitations.invitation_withdraw, name="invitation-withdraw"),
    path("users/<int:pk>/", people.user_detail, name="user-detail"),
    path("users/<int:pk>/roles/", membership.user_roles, name="user-roles"),
    path("users/<int:pk>/deactivate/", membership.user_deactivate, name="user-deactivate"),
    path("users/<int:pk>/reactivate/", membership.user_reactivate, name="user-reactivate"),
    path("users/<int:pk>/end-sessions/", membership.user_end_sessions, name="user-end-sessions"),
    path("users/<int:pk>/hand-over/", membership.user_hand_over, name="user-hand-over"),
    path("settings/", settings.settings, name="settings"),
    path("settings/preview/", settings.settings_preview, name="settings-preview"),
]
