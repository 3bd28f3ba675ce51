"""Signatures that anyone can verify with the public key: Ed25519 (RFC 8032) over canonical JSON. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

SIGNATURE = "signature"


class BadSignature(ValueError):
    """The document is not what was signed, or the key is another one; the text says which."""


def sign(document: Mapping[str, Any], *, kind: str, key: bytes) -> dict[str, Any]:
    """Return the document with its `kind`, its public key and its signature. `key` is the private key, 32 bytes."""
    private = Ed25519PrivateKey.from_private_bytes(key)
    signed_document = {"kind": kind, **document, "public_key": _encode_public_key(private.public_key())}
    return signed_document | {SIGNATURE: base64.b64encode(private.sign(encode_message(signed_document))).decode()}


def parse(content: bytes) -> dict[str, Any]:
    """Return the document that the bytes hold as JSON in UTF-8, with or without a byte order mark. Raise BadSignature
    for anything else, and for a repeated name, of which parsers would choose different values."""
    try:
        document = json.loads(
            content.decode("utf-8-sig"), object_pairs_hook=_reject_duplicates, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        raise BadSignature("it is not UTF-8; take it as it was downloaded") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadSignature(f"it is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise BadSignature("it is not a JSON object")
    return document


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise BadSignature(f"it has the name {name!r} twice")
        found[name] = value
    return found


def _refuse_constant(text: str) -> Any:
    raise BadSignature(f"{text} is not JSON")


def verify(document: Mapping[str, Any], *, kind: str, public_key: Ed25519PublicKey) -> None:
    """Raise BadSignature unless the document is of this kind and carries a valid signature of this key."""
    if document.get("kind") != kind:
        raise BadSignature(f"it is of kind {document.get('kind')!r}, not {kind!r}")
    if document.get("public_key") != _encode_public_key(public_key):
        raise BadSignature("it was signed with a different key than the one given")
    try:
        signature = base64.b64decode(document[SIGNATURE], validate=True)
        public_key.verify(signature, encode_message(document))
    except (KeyError, TypeError, ValueError, InvalidSignature) as error:
        raise BadSignature("it is not as it was signed") from error


def encode_message(document: Mapping[str, Any]) -> bytes:
    """Return the signed bytes: the document without its signature, as ASCII JSON, names sorted, without white space."""
    rest = {name: value for name, value in document.items() if name != SIGNATURE}
    return json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def format_public_pem(key: bytes) -> str:
    """Return the public key of the private `key` (32 bytes) as PEM."""
    public = Ed25519PrivateKey.from_private_bytes(key).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def parse_public_pem(text: bytes) -> Ed25519PublicKey:
    """Return the Ed25519 public key in PEM. Raise BadSignature for anything else."""
    try:
        key = load_pem_public_key(text)
    except ValueError as error:
        raise BadSignature("the public key is not PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise BadSignature("the public key is not an Ed25519 key")
    return key


def _encode_public_key(key: Ed25519PublicKey) -> str:
    return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode("ascii")
