"""Notices: mails and webhook requests about keys that need attention."""
