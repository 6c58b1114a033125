"""Rules about values files: what no lookup path reads, found by running the path model backwards."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from onboarding.domain.layout import LayerScope
from onboarding.domain.lint import rules
from onboarding.domain.lint.facts import Facts
from onboarding.domain.lint.findings import Finding, Rule
from onboarding.domain.lint.words import nearest
from onboarding.domain.lookups import Dead, Lookup, Lookups

_DIRECT = re.compile(r"""(?:\$values/|\b(?:path|include):\s*['"]?)((?:\{\{.*?\}\}|[^\s'"{}])+)""")
_RULES: dict[Dead, Rule] = {
    Dead.FILE_NAME: rules.VALUES_FILE_NAME,
    Dead.COMPONENT: rules.VALUES_UNKNOWN_COMPONENT,
    Dead.OTHER_BASE: rules.VALUES_OTHER_BASE,
    Dead.CLUSTER: rules.VALUES_UNKNOWN_CLUSTER,
    Dead.OTHER_PLACE: rules.VALUES_OTHER_PLACE,
}


def lookups_of(facts: Facts) -> Lookups:
    """The lookup paths of the fleet that lint looks at."""
    return Lookups(facts.layout, (placement for _, placement in facts.spokes), facts.bases)


def check_values(facts: Facts) -> Iterator[Finding]:
    """Every values file that is not YAML or that nobody reads."""
    lookups = lookups_of(facts)
    direct = _read_directly(facts)
    waiting: dict[tuple[str, str], list[Lookup]] = defaultdict(list)
    for path in facts.values_files():
        lookup = lookups.look(path)
        place = lookup.place
        if not facts.is_labels(path):  # those are read by their own rules
            facts.values(path)  # what is not YAML is noted
        if lookup.dead in (Dead.NO_LAYER, Dead.FILE_NAME) and direct.fullmatch(path):
            continue
        if lookup.dead in (Dead.TENANT, Dead.ENVIRONMENT) and place:
            environment = place.environment if lookup.dead is Dead.ENVIRONMENT else ""
            waiting[place.tenant, environment].append(lookup)
        elif lookup.dead:
            yield _finding(lookup, lookups, facts)
    for (tenant, environment), found in waiting.items():
        yield from _without_cluster(tenant, environment, found, lookups)


def _read_directly(facts: Facts) -> re.Pattern[str]:
    """What manifests read by naming it: a values file, or a folder with all that is in it."""
    expressions = [re.escape(facts.layout.wrapper) + "/.*"]
    for text in facts.manifests.values():
        for found in _DIRECT.findall(text):
            parts = re.split(r"\{\{.*?\}\}", found.strip("/"))
            if not any(part.strip("/") for part in parts):
                continue
            expression = "[^/]*".join(re.escape(part) for part in parts)
            if not parts[0]:  # a base folder from an annotation, which may end with a slash
                expression = "(?:[^/]+/){0,4}" + expression.removeprefix("[^/]*").lstrip("/")
            expressions.append(expression + ("" if len(parts) > 1 else "(?:/.*)?"))
    return re.compile("|".join(sorted(set(expressions))))


def _finding(lookup: Lookup, lookups: Lookups, facts: Facts) -> Finding:
    place, dead = lookup.place, lookup.dead
    rule = _RULES.get(dead, rules.VALUES_NO_LAYER) if dead else rules.VALUES_NO_LAYER
    if place is None:
        if dead is Dead.FILE_NAME:
            name = lookup.meant.rpartition("/")[2]
            return rule.at(
                lookup.path, 1, f"Only {name} is read in this folder.", advice=f"Call it {name}."
            )
        layers = "; ".join(layer.pattern for layer in facts.layout.layers)
        return rule.at(
            lookup.path, 1, "No layer has this path.", advice=f"The layers are {layers}."
        )
    match dead:
        case Dead.OTHER_BASE:
            return rule.at(
                lookup.path,
                1,
                f"{place.component} is not looked up below {place.base}/.",
                advice=f"Move it to {lookup.meant}.",
            )
        case Dead.COMPONENT:
            near = nearest(place.component, facts.bases[place.base] or frozenset())
            hint = f"; did you mean {near}?" if near else "."
            return rule.at(
                lookup.path, 1, f"No release channel has a component {place.component}{hint}"
            )
        case Dead.OTHER_PLACE:
            return rule.at(lookup.path, 1, _other_place(place, lookup.meant))
        case _:
            near = nearest(place.cluster, frozenset(m.cluster for m, _ in facts.spokes))
            hint = f"; did you mean {near}?" if near else "."
            return rule.at(lookup.path, 1, f"No fleet member is called {place.cluster}{hint}")


def _other_place(place: LayerScope, meant: str) -> str:
    here = f"{place.tenant}/{place.environment}" if place.environment else place.tenant
    return f"{place.cluster} is a cluster of {meant}, but these values lie below {here}."


def _without_cluster(
    tenant: str, environment: str, found: list[Lookup], lookups: Lookups
) -> Iterator[Finding]:
    """One finding for all files of a tenant or environment without clusters: a typo, or early."""
    known = lookups.environments(tenant) if environment else lookups.tenants
    name = environment or tenant
    near = nearest(name, known)
    files = "one file" if len(found) == 1 else f"{len(found)} files"
    where = f"environment {environment}" if environment else f"tenant {tenant}"
    where += f" of {tenant}" if environment and tenant else ""
    rule = rules.VALUES_UNKNOWN_NAME if near else rules.VALUES_NOBODY
    hint = f"; did you mean {near}?" if near else "."
    yield rule.at(found[0].path, 1, f"No cluster is in the {where}, which has {files}{hint}")
