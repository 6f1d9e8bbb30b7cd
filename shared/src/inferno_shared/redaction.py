"""No secret reaches a log, an error, a status or an answer: what looks like one is masked where text leaves.

Masked are credentials by their form (bearer and basic tokens, JSON web tokens, private keys, the user part
and key parameters of URLs) and, in fields, by the field's name. Words such as "bearer token file" or counts
such as `output_tokens` stay readable.
"""

import re
from collections.abc import Mapping
from typing import Final

MASK: Final = "[redacted]"

# Each form is anchored so that a hostile text (a path of 64 KiB in an access log) takes linear time.
_SCHEMES: Final = r"bearer|basic|negotiate|digest"
_FORMS: Final = (
    (re.compile(r"-----BEGIN ([A-Z0-9 ]{0,40}PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL), MASK),
    # A header as text or as Python shows it: any credential after the scheme, however short.
    (
        re.compile(rf"(?i)(authorization[\"']?\s*[:=,]\s*b?[\"']?(?:{_SCHEMES})\s+)[^\s\"',;)}}]+"),
        rf"\g<1>{MASK}",
    ),
    # The scheme alone: only what cannot be a word of a sentence (has a digit, or is long).
    (
        re.compile(rf"(?i)\b((?:{_SCHEMES})(?:\s+|%20))(?=[\w.~+/-]*\d|[\w.~+/-]{{24}})[\w.~+/-]{{8,}}=*"),
        rf"\g<1>{MASK}",
    ),
    (re.compile(r"(?<![\w-])eyJ[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*)?"), MASK),
    (re.compile(r"(?i)([a-z][a-z0-9+.-]{0,20}://)[^\s/?#\"'<>]+@"), rf"\g<1>{MASK}@"),
    (
        re.compile(
            r"(?i)([?&](?:access_token|id_token|token|api[_-]?key|key|password|secret|signature|sig)=)"
            r"[^&\s\"'#]+"
        ),
        rf"\g<1>{MASK}",
    ),
)
# In lower case; a text without any of them holds no form above. Almost every text is cleared by this.
_SIGNS: Final = ("@", "bearer", "basic", "negotiate", "digest", "eyj", "private key", "?", "&")
_SECRET_NAME: Final = re.compile(
    r"(?i)(?:.*[_-])?"
    r"(?:authorization|token|password|passwd|secret|api[_-]?key|private[_-]?key|cookie|credentials?)"
)


def redacted(text: str) -> str:
    """Return `text` with every credential in it masked.

    Example: "GET https://u:p@host/q?token=x" is "GET https://[redacted]@host/q?token=[redacted]".
    """
    lower = text.lower()
    if not any(sign in lower for sign in _SIGNS):
        return text
    for form, replacement in _FORMS:
        text = form.sub(replacement, text)
    return text


def redacted_field(name: str, value: object) -> object:
    """Return the `value` of a field `name` with what is secret in it masked, at any depth.

    Numbers, truth values and None are kept; anything that is neither text nor a container becomes text.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if value and isinstance(value, str | bytes) and _SECRET_NAME.fullmatch(name):
        return MASK
    if isinstance(value, Mapping):
        return {str(key): redacted_field(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redacted_field(name, item) for item in value]
    return redacted(str(value))
