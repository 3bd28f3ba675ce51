"""URLs of accounts."""

from __future__ import annotations

from django.urls import path

from accounts.lists import views as list_views
from accounts.signin import reset_views
from accounts.signin import views as signin_views
from accounts.views import invitations, profile, settings, users

urlpatterns = [
    path("login/", signin_views.sign_in, name="account_login"),
    path("login/second-factor/", signin_views.second_factor, name="mfa_authenticate"),
    path("logout/", signin_views.sign_out, name="account_logout"),
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
    path("password/reset/", reset_views.reset, name="account_reset_password"),
    path("password/reset/done/", reset_views.reset_done, name="account_reset_password_done"),
    path("password/reset/<str:uidb36>/<str:key>/", reset_views.reset_from_key, name="account_reset_password_from_key"),
    path("password/reset/set/", reset_views.reset_from_key_done, name="account_reset_password_from_key_done"),
    path("invitation/<str:token>/", invitations.invitation_accept, name="invitation"),
    path("users/", users.user_list, name="user-list"),
    path("users/export/", users.user_export, name="user-export"),
    path("users/invite/", invitations.user_invite, name="user-invite"),
    path("users/invitations/<int:pk>/withdraw/", invitations.invitation_withdraw, name="invitation-withdraw"),
    path("lists/<slug:name>/columns/", list_views.list_columns, name="list-columns"),
    path("lists/<slug:name>/filters/new/", list_views.filter_new, name="filter-new"),
    path("lists/<slug:name>/filters/<int:pk>/delete/", list_views.filter_delete, name="filter-delete"),
    path("settings/", settings.settings, name="settings"),
    path("settings/preview/", settings.settings_preview, name="settings-preview"),
]
