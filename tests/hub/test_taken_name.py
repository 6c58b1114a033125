"""An Application's name that somebody else has on a real hub: the page says who, and it goes on when it is free."""

from __future__ import annotations

from tests.hub.harness import eventually
from tests.hub.kube import Manifest
from tests.hub.product import House
from tests.hub.test_trouble import asked_for, is_a_problem, says

FOREIGN = "somebody-elses-set"


def foreign_set(application: str) -> Manifest:
    """An ApplicationSet that nobody of this fleet made, and that has an Application of this name."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": FOREIGN, "namespace": "argocd"},
        "spec": {
            "goTemplate": True,
            "generators": [{"list": {"elements": [{}]}}],
            "template": {
                "metadata": {"name": application},
                "spec": {
                    "project": "default",
                    "source": {"repoURL": "https://example.com/none.git", "path": "."},
                    "destination": {
                        "server": "https://kubernetes.default.svc",
                        "namespace": "elsewhere",
                    },
                },
            },
        },
    }


def test_it_names_who_has_the_name_of_its_application(house: House) -> None:
    """Taken after the plan was approved, which refuses a name that is taken before."""
    name = "probe-e-spoke-taken"
    spoke, change = asked_for(house, "spoke-taken", "probe-e")
    house.hub.forget_credentials(f"fleet/{spoke.name}")
    house.product.approve(change)
    house.page(spoke.name, says("Failed", f"There is no secret fleet/{spoke.name}"))
    house.hub.kube.apply(foreign_set(name))
    eventually(lambda: owner(house, name) == FOREIGN, "somebody has the name")
    try:
        house.hub.store_credentials(f"fleet/{spoke.name}", spoke.credentials)
        house.hub.kube.annotate("ExternalSecret", f"cluster-{spoke.name}", "force-sync", "1")
        house.page(
            spoke.name,
            says(
                "Failed",
                f"The Application name {name} is taken: ApplicationSet {FOREIGN} has it",
                "Give one of the two another name in its set's template",
            ),
            120,
        )
        is_a_problem(house, spoke.name, f"The Application name {name} is taken")
    finally:
        house.hub.kube.delete("ApplicationSet", FOREIGN)
    eventually(lambda: owner(house, name) != FOREIGN, "the name is free", 60)
    house.fleet.refresh_set("probe-e")
    house.healthy(spoke.name)
    assert owner(house, name) == "probe-e"


def owner(house: House, name: str) -> str:
    """The ApplicationSet that an Application belongs to; "" where there is none."""
    found = house.fleet.application(name) or {"metadata": {}}
    owners = found["metadata"].get("ownerReferences") or [{"name": ""}]
    return str(owners[0]["name"])
