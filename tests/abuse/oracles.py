"""What may come through a field of text, said once more and apart from the product's own rules."""

from __future__ import annotations

import ast
import re
import unicodedata

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SLUG = re.compile(r"[-a-zA-Z0-9_]{1,63}")
_SECRET = re.compile(r"[A-Za-z0-9/_+=.@:-]{1,600}")
_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}")
_HTTPS = re.compile(r"https://[A-Za-z0-9.\[\]:_-]+(/[A-Za-z0-9._~%!$()*;@+=,:/?&-]*)?")
_PATH = re.compile(r"/[A-Za-z0-9_.@+=,:/-]{1,499}")
_WORD = re.compile(r"[A-Za-z0-9+=,.@:/_-]{1,200}")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]{0,199}")
_SERVICE = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


def is_name(value: str) -> bool:
    return bool(_LABEL.fullmatch(value)) and value not in ("defaults", "fleet")


def is_hub_name(value: str) -> bool:
    return bool(_LABEL.fullmatch(value))


def is_slug(value: str) -> bool:
    return bool(_SLUG.fullmatch(value))


def is_secret_name(value: str) -> bool:
    return bool(_SECRET.fullmatch(value)) and ".." not in value


def is_folder(value: str) -> bool:
    parts = value.split("/")
    return bool(_FOLDER.fullmatch(value)) and not {"", ".", "..", ".git"} & set(parts)


def is_https(value: str) -> bool:
    loopback = value.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]"))
    return loopback or bool(_HTTPS.fullmatch(value))


def is_link(value: str) -> bool:
    is_plain = value.isascii() and value.isprintable() and not {*"<>\"'` \\"} & set(value)
    return is_plain and value.startswith(("http://", "https://"))


def is_server(value: str) -> bool:
    return is_https(value) or bool(re.fullmatch(r"arn:aws[a-z-]*:eks:[A-Za-z0-9:/_-]+", value))


def is_repository(value: str) -> bool:
    local = re.fullmatch(r"(file://)?/[A-Za-z0-9._~/@%+,:=-]+", value)
    remote = re.fullmatch(r"(https://|ssh://|\w[\w.-]*@)[A-Za-z0-9._~/@%+,:=\[\]-]+", value)
    return bool(local or remote) and ".." not in value.split("/") and "/-" not in value


def is_file(value: str) -> bool:
    is_foreign = value.startswith(("/proc", "/dev", "/sys"))
    return (
        bool(_PATH.fullmatch(value)) and not {".", ".."} & set(value.split("/")) and not is_foreign
    )


def is_word(value: str) -> bool:
    return bool(_WORD.fullmatch(value))


def is_ref(value: str) -> bool:
    return bool(_REF.fullmatch(value)) and ".." not in value and not value.endswith(".lock")


def is_service(value: str) -> bool:
    return bool(_SERVICE.fullmatch(value))


def is_line(value: str) -> bool:
    return "\n" not in value and is_prose(value)


def is_prose(value: str) -> bool:
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn"}
    seen = (one for one in value if one not in "\n\t\u200c\u200d")
    return len(value) <= 4_000 and not any(unicodedata.category(one) in hidden for one in seen)


def is_labels(value: str) -> bool:
    """Of a form that gives back a map: keys and values as Kubernetes has them."""
    key, text = r"[A-Za-z0-9./_-]{1,316}", r"[A-Za-z0-9._-]{0,63}"
    found = ast.literal_eval(value)
    return all(
        re.fullmatch(key, name) and (said is None or re.fullmatch(text, said))
        for name, said in found.items()
    )


def is_patterns(value: str) -> bool:
    """Of a field that gives back a tuple: names, with stars for what is left open; often none."""
    return all(re.fullmatch(r"[A-Za-z0-9_.*?-]{1,200}", name) for name in ast.literal_eval(value))


def is_layout(value: str) -> bool:
    return False  # none of the strings describes one


def is_waves(value: str) -> bool:
    """Names to compare clusters with; they are looked at once more by the service."""
    return len(value) <= 100_000


def is_compared(value: str) -> bool:
    """Only compared with what there is: the service refuses what is no channel or label."""
    return len(value) <= 317 and "\0" not in value


def is_csv(value: str) -> bool:
    return False  # none of the strings is a table with the head that is needed
