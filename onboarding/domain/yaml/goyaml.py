"""How Go reads the scalars of YAML: what Helm and Argo CD make of `yes`, `012` or `1e3`.

Helm reads values files and Argo CD reads member files with `sigs.k8s.io/yaml`: go-yaml v2, then
through JSON. That is neither YAML 1.1 as PyYAML reads it nor YAML 1.2:

| written              | Go (Helm 3.18)     | PyYAML   | YAML 1.2 |
|----------------------|--------------------|----------|----------|
| yes no on off        | true, false        | the same | text     |
| y n Y N              | true, false        | text     | text     |
| 012                  | 10                 | 10       | 12       |
| 0o14                 | 12                 | text     | 12       |
| 0x1F  0b11  1_000    | 31, 3, 1000        | the same | text, but 0x1F |
| 1e3                  | 1000               | text     | 1000     |
| 12:30:00             | text               | 45000    | text     |
| 2024-01-01           | text               | a date   | text     |
| .inf .nan            | the file is refused: JSON has no such number | inf | inf |
| ~ null and nothing   | null               | the same | the same |
| 9007199254740993     | 9007199254740992 (a JSON number is a float) | exact | exact |

A map's key is read by the same rules and then written as text: the key `y` becomes `true`, `012`
becomes `10`, and a null key refuses the file. Source: `goyaml.v2/resolve.go` and `yaml.go` of
sigs.k8s.io/yaml v1.4.0, which Helm 3.18.4 uses; every row above was run through that library, and
the results stand beside the tests (`tests/data/yamltext/go-scalars.json`).
"""

from __future__ import annotations

import math
import re
import struct

_WORDS: dict[str, bool | float | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
}
for _words, _value in (("y yes true on", True), ("n no false off", False)):
    for _word in _words.split():
        _WORDS |= {_word: _value, _word.capitalize(): _value, _word.upper(): _value}
for _word in (".inf", ".Inf", ".INF"):
    _WORDS |= {_word: math.inf, f"+{_word}": math.inf, f"-{_word}": -math.inf}
_WORDS |= dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan)

# What a scalar must begin with to be anything but text.
_STARTS = frozenset("yYnNtTfFoO~.+-0123456789")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_POINT_FLOAT = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")
_INTEGERS = (
    (re.compile(r"([-+]?)0[xX]([0-9a-fA-F]+)"), 16),
    (re.compile(r"([-+]?)0[bB]([01]+)"), 2),
    (re.compile(r"([-+]?)0[oO]?([0-7]+)"), 8),
    (re.compile(r"([-+]?)(0|[1-9][0-9]*)"), 10),
)
_EXACT = 2**53

Scalar = str | bool | int | float | None


def read_plain(text: str) -> Scalar:
    """What Go reads from a scalar that is written without quotes.

    Infinity and not-a-number are returned as such; Go refuses a whole file that has one, and so
    does `yamlread.load`. Whole numbers beyond 2^53 are floats and lose digits, as they do in Helm.
    """
    value = _resolve(text)
    if isinstance(value, int) and abs(value) > _EXACT:
        return float(value)
    return value


def read_key(text: str) -> str | None:
    """The key that Go makes of a map's key written without quotes; None where it refuses the file.

    A whole number keeps its digits, another number those of a 32-bit float.
    """
    value = _resolve(text)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return go_text(value)
    if isinstance(value, int):
        return str(value) if value < 2**63 else None
    if not math.isfinite(value):
        return {math.inf: ".inf", -math.inf: "-.inf"}.get(value, ".nan")
    return _float_text(value, _short_digits(value))


def go_text(value: Scalar) -> str:
    """The text that a Go template makes of a scalar, as `toString` and `{{ }}` do in Helm.

    Every number is a float by then, so 1000000 becomes `1e+06`. Null becomes nothing.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return _float_text(float(value), repr(float(value)))


def _resolve(text: str) -> Scalar:
    """The value before it goes through JSON: whole numbers are exact."""
    if text and text[0] not in _STARTS:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if (
        text[0] == "."
    ):  # Go's ParseFloat alone decides; it wants a digit on both sides of an underscore
        return float(text) if _POINT_FLOAT.fullmatch(text) else text
    if text[0] not in "+-0123456789":
        return text
    plain = text.replace("_", "")
    for pattern, base in _INTEGERS:
        # Python refuses to read thousands of decimal digits; no 64-bit number has more than 20.
        if (found := pattern.fullmatch(plain)) and (base != 10 or len(found[2]) <= 20):
            number = int(found[1] + found[2], base)
            if -(2**63) <= number < 2**63 or (0 <= number < 2**64 and not found[1]):
                return number
    if not _FLOAT.fullmatch(plain) or math.isinf(float(plain)):
        return text
    return float(plain)


def _short_digits(number: float) -> str:
    """The shortest decimal that is the same number in 32 bits."""
    try:
        (wanted,) = struct.unpack("f", struct.pack("f", number))
    except OverflowError:
        return "inf"
    for precision in range(9):
        text = f"{wanted:.{precision}e}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == wanted:
            return text
    return repr(wanted)


def _float_text(number: float, digits: str) -> str:
    """Go's `%v` of a float with these digits: with an exponent below 1e-04 and from 1e+06 on."""
    if not math.isfinite(number) or digits == "inf":
        return "NaN" if math.isnan(number) else ("-Inf" if number < 0 else "+Inf")
    sign = "-" if math.copysign(1, number) < 0 else ""
    mantissa, _, power = digits.lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    significant = (whole + fraction).lstrip("0")
    point = len(whole) + int(power or 0) - (len(whole + fraction) - len(significant))
    significant = significant.rstrip("0")
    if not significant:
        return sign + "0"
    exponent = point - 1
    if not -4 <= exponent < 6:
        rest = f".{significant[1:]}" if len(significant) > 1 else ""
        return f"{sign}{significant[0]}{rest}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{significant}"
    whole = significant[:point].ljust(point, "0")
    return f"{sign}{whole}" + (f".{significant[point:]}" if len(significant) > point else "")
