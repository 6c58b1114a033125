"""Text that only this installation reads again: sealed with a key made of its SECRET_KEY."""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


def seal(text: str) -> str:
    """The text, encrypted and signed."""
    return _box().encrypt(text.encode()).decode()


def unseal(text: str) -> str:
    """What was sealed; "" where no key of this installation fits any more."""
    try:
        return _box().decrypt(text.encode()).decode()
    except InvalidToken:
        return ""


def _box() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_key(one)) for one in keys])


def _key(secret: str) -> bytes:
    # SECRET_KEY is long and random: it needs a purpose of its own, not a slow derivation.
    made = hmac.digest(secret.encode(), b"fleetui.sealed", hashlib.sha256)
    return base64.urlsafe_b64encode(made)
