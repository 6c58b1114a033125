"""Rules about member files: keys, values, names, and what two members may not share."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from onboarding.domain.intent_rules import secret_key
from onboarding.domain.labels import STATE_LABELS
from onboarding.domain.lint import rules
from onboarding.domain.lint.facts import Facts, MemberFile
from onboarding.domain.lint.findings import Finding, Rule
from onboarding.domain.lint.words import nearest
from onboarding.domain.member import (
    MEMBER_KEYS,
    FleetMember,
    check_member,
)
from onboarding.domain.yaml.goyaml import go_text

_KNOWN = (*MEMBER_KEYS, *STATE_LABELS)
_CODES = {"required": rules.MEMBER_KEY_MISSING, "template": rules.TEMPLATE_INJECTION}
# What a refusal calls a key that the file calls otherwise.
_KEYS = {"remote_addons": "enable_remote_addons", "remote_resources": "enable_remote_resources"}


def check_members(facts: Facts) -> Iterator[Finding]:
    """Everything about single member files, and about names and secrets that two of them share."""
    for file in facts.members:
        if facts.layout.parse_member_path(file.path) is None or not file.path.endswith(".yaml"):
            yield rules.MEMBER_NOT_READ.at(
                file.path, 1, f"Registration does not read this file: members are {_shape(facts)}."
            )
        if file.located is not None:
            yield from _refused(file)
        elif file.member is not None:
            yield from _readable(file, file.member)
    yield from _shared(
        facts, rules.CLUSTER_DUPLICATE, "clusterName", lambda member: member.cluster.casefold()
    )
    yield from _shared(
        facts,
        rules.SECRET_DUPLICATE,
        "secretManagerSecretName",
        lambda member: secret_key(member.secret_name),
    )


def _shape(facts: Facts) -> str:
    return facts.layout.members.replace("{", "<").replace("}", ">")


def _refused(file: MemberFile) -> Iterator[Finding]:
    """A member that cannot be used: each reason at its key."""
    located = file.located
    assert located is not None  # noqa: S101 -- the caller asks only for these
    values = located.value if isinstance(located.value, dict) else {}
    injected = {key for key in values if _has_template(values[key]) or _has_template(key)}
    for refusal in file.refusals:
        if refusal.field in injected:
            continue
        mark = located.mark([refusal.field]) if refusal.field else None
        line, column = (mark.line, mark.column) if mark else (1, 1)
        rule = _CODES.get(refusal.code, rules.MEMBER_VALUE)
        yield rule.at(file.path, line, _bare(refusal.message, file.path, line), column=column)
    lines = {key: mark.line for key in values if (mark := located.mark([key]))}
    yield from _injections(file.path, values, lines)
    yield from _typos(file.path, {key: lines.get(key, 1) for key in values if key not in _KNOWN})
    for key in values:
        if key in MEMBER_KEYS and isinstance(values[key], bool | int | float):
            yield _not_text(file.path, lines.get(key, 1), key, values[key])


def _readable(file: MemberFile, member: FleetMember) -> Iterator[Finding]:
    for refusal in check_member(member):
        key = _KEYS.get(refusal.field, refusal.field)
        rule = _CODES.get(refusal.code, rules.MEMBER_VALUE)
        yield rule.at(file.path, member.lines.get(key, 1), refusal.message)
    extra = {key: member.lines.get(key, 1) for key in member.extra if key not in _KNOWN}
    yield from _typos(file.path, extra)
    yield from _injections(file.path, member.extra, member.lines)
    yield from _states(file.path, member)
    for note in member.notes:
        key = note.partition(" ")[0]
        line = member.lines.get(key, 1)
        if key == "clusterName" and "the file is called" in note:
            yield rules.MEMBER_FILE_NAME.at(
                file.path,
                line,
                f"clusterName is {member.cluster}, but the file is called "
                f"{posixpath.basename(file.path)}.",
            )
        else:
            yield rules.MEMBER_NOT_TEXT.at(file.path, line, f"{key} is not in quotes.")


def _not_text(path: str, line: int, key: str, value: bool | int | float) -> Finding:
    return rules.MEMBER_NOT_TEXT.at(
        path, line, f"{key} is not in quotes and reads as {go_text(value)}."
    )


def _states(path: str, member: FleetMember) -> Iterator[Finding]:
    """The steps of a handover or a farewell, which are keys of the file for a while."""
    for key in STATE_LABELS:
        value = member.extra.get(key)
        line = member.lines.get(key, 1)
        if value is not None and value not in ("true", "false"):
            yield rules.MEMBER_VALUE.at(path, line, f'{key} must be "true" or "false".')


def _typos(path: str, unknown: dict[str, int]) -> Iterator[Finding]:
    for key, line in unknown.items():
        near = nearest(key, _KNOWN)
        if near:
            yield rules.MEMBER_KEY_TYPO.at(
                path,
                line,
                f"{key!r:.80} is not a key of a fleet member; did you mean {near}?",
                advice=f"Call it {near}, or remove it.",
            )


def _injections(
    path: str, values: Mapping[str, object], lines: Mapping[str, int]
) -> Iterator[Finding]:
    for key, value in values.items():
        if _has_template(value) or _has_template(key):
            yield rules.TEMPLATE_INJECTION.at(
                path, lines.get(key, 1), f"{key!r:.80} holds double braces."
            )


def _has_template(value: object) -> bool:
    return isinstance(value, str) and ("{{" in value or "}}" in value)


def _shared(
    facts: Facts, rule: Rule, key: str, fold: Callable[[FleetMember], str]
) -> Iterator[Finding]:
    """What two members claim; letter case makes no difference, neither does the hub."""
    claimed: dict[str, list[MemberFile]] = defaultdict(list)
    for file in facts.members:
        if file.member is not None:
            claimed[fold(file.member)].append(file)
    for files in claimed.values():
        if len(files) < 2:
            continue
        for file in files:
            member = file.member
            assert member is not None  # noqa: S101 -- only such files were claimed
            others = [other.path for other in files if other is not file]
            more = f" and {len(others) - 3} more" if len(others) > 3 else ""
            yield rule.at(
                file.path,
                member.lines.get(key, 1),
                f"{member.texts()[key]!r:.120} is also {key} of {', '.join(others[:3])}{more}.",
            )


def _bare(message: str, path: str, line: int) -> str:
    """A refusal without the place that stands beside it anyway."""
    return message.removeprefix(f"{path}, line {line}: ").removeprefix(f"{path}: ")
