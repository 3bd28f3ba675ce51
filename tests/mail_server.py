"""A mail server that requires TLS and a password: `python3 mail_server.py ADDRESS CERTIFICATE KEY MAILDIR`.

Run by Debian's Python, which has aiosmtpd as a package.
"""

from __future__ import annotations

import ssl
import sys
import time

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import AuthResult

USER, PASSWORD = b"keyward", b"password"


def check(server: object, session: object, envelope: object, mechanism: str, data: object) -> AuthResult:
    return AuthResult(success=(getattr(data, "login", b""), getattr(data, "password", b"")) == (USER, PASSWORD))


def main(address: str, certificate: str, key: str, folder: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    Controller(
        Mailbox(folder),
        hostname=address,
        port=587,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=check,
    ).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main(*sys.argv[1:])
