"""Random values files as people write them: every spelling that Helm reads in its own way."""

from __future__ import annotations

from random import Random

KEYS = ("a", "b", "c", "d", "image", "replicas", "yes", "012", "1.5", '"no"', "x.y", "'q r'")
PLAIN = (
    (
        "1 0 -7 012 0o14 0x1F 0b11 1_000 1e3 1.0 1.50 -.5 .5 +3 00 08 1e400 9007199254740993 1e21 "
        "yes no on off y n Y N true False TRUE ~ null Null 22:22 12:30:00 2024-01-01 v1.2.3 nan inf "
        "- plain text 1.2.3 1e 0x 0b2 _1 1_ 1__0 -0 -0.0 4711.0 123456789012345678901234567890 a#b"
    )
    .replace("- plain text", "plain")
    .split()
)
QUOTED = ('"yes"', "'012'", '"1e3"', '""', "'it''s'", '"tab\\there"', '"\\u00e9"', '"{{ .x }}"')
BLOCKS = ("|\n{0}two\n{0}lines\n", ">-\n{0}folded\n{0}text\n", "|+\n{0}kept\n\n")


def values_text(random: Random, *, depth: int = 3, nulls: float = 0.15) -> str:
    """One values file: block style with flow parts, comments, nulls and now and then an anchor."""
    return "# A layer.\n" + _map(random, "", depth, nulls)


def _map(random: Random, indent: str, depth: int, nulls: float) -> str:
    keys = random.sample(KEYS, random.randint(1, 5))
    text = "".join(f"{indent}{key}:{_value(random, indent, depth, nulls)}" for key in keys)
    if random.random() < 0.1:
        text += f"{indent}base: &anchor {{p: 1, q: no, r: ~}}\n"
        text += f"{indent}merged:\n{indent}  <<: *anchor\n{indent}  q: own\n"
    return text


def _value(random: Random, indent: str, depth: int, nulls: float) -> str:
    chance = random.random()
    if chance < nulls:
        return random.choice((" null\n", " ~\n", "\n", " Null  # taken away\n"))
    if depth and chance < 0.55:
        return "\n" + _map(random, indent + "  ", depth - 1, nulls)
    if chance < 0.62:
        return f" {_flow(random, 2)}\n"
    if chance < 0.67:
        return " " + random.choice(BLOCKS).format(indent + "  ")
    if chance < 0.74:
        return "\n" + "".join(f"{indent}- {_scalar(random)}\n" for _ in range(random.randint(1, 3)))
    return f" {_scalar(random)}\n"


def _flow(random: Random, depth: int) -> str:
    if random.random() < 0.25:
        return random.choice(("{}", "[]"))
    inner = [
        _flow(random, depth - 1) if depth and random.random() < 0.3 else _scalar(random)
        for _ in range(random.randint(1, 3))
    ]
    if random.random() < 0.5:
        return f"[{', '.join(inner)}]"
    keys = random.sample(("a", "b", "c", "image"), len(inner))
    return f"{{{', '.join(f'{key}: {value}' for key, value in zip(keys, inner, strict=True))}}}"


def _scalar(random: Random) -> str:
    return random.choice(QUOTED) if random.random() < 0.2 else random.choice(PLAIN)
