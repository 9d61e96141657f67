"""Who may see the explorer: whoever enters its key gets a signed cookie for twelve hours.

The cookie says nothing but when it was made. Its signature comes from the key, so that another key ends every session.
"""

import hashlib
import hmac

from itsdangerous import BadSignature, TimestampSigner

COOKIE = "cartwheel_explorer"
LIFETIME_S = 12 * 3600


def is_key(offered: str, key: str) -> bool:
    """Whether the offered text is the key; the time it takes does not tell how much of it is right."""
    return hmac.compare_digest(offered.encode(), key.encode())


def new_session(key: str) -> str:
    """The value of a new cookie."""
    return _signer(key).sign(COOKIE).decode()


def is_session(cookie: str, key: str) -> bool:
    """Whether a cookie was made with the key, and is not too old."""
    try:
        _signer(key).unsign(cookie, max_age=LIFETIME_S)
    except BadSignature:  # or its child SignatureExpired
        return False
    return True


def _signer(key: str) -> TimestampSigner:
    return TimestampSigner(key, salt=__name__, digest_method=hashlib.sha256)
