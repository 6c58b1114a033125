"""The layers that reach a tenant: their files, how much each sets, and who inherits from it."""

from __future__ import annotations

import pytest

from onboarding.models import Cluster, Fleet
from onboarding.services.layers import ValuesFile, layers_of_tenant
from tests.fakes import MemorySnapshot

pytestmark = pytest.mark.django_db

LABELS = "fleet/fleet-secret/values.yaml"
FILES = {
    f"addons/defaults/{LABELS}": "externalSecret: {labels: {a: x, b: y}}\n",
    f"addons/tenants/team-a/defaults/{LABELS}": "a: [\n",
    f"addons/tenants/team-a/clusters/spoke-1/{LABELS}": "a: 1\n",
    f"addons/tenants/team-b/defaults/{LABELS}": "a: 1\n",
    "README.md": "# Fleet\n",
}


def test_it_shows_each_layer_with_the_files_of_this_tenant_alone() -> None:
    fleet = Fleet.objects.create(name="fleet-a", layout="tenants")
    for number, tenant in enumerate(("team-a", "team-a", "team-b")):
        Cluster.objects.create(
            fleet=fleet, path=f"m/{number}", hub_name="hub-a", name=f"c{number}", tenant=tenant
        )
    found = layers_of_tenant(fleet=fleet, tenant="team-a", snapshot=MemorySnapshot.of(FILES))
    files = [file for layer in found for file in layer.files]
    assert files == [
        ValuesFile(f"addons/defaults/{LABELS}", 2),
        ValuesFile(f"addons/tenants/team-a/defaults/{LABELS}", 0),
        ValuesFile(f"addons/tenants/team-a/clusters/spoke-1/{LABELS}", 1),
    ]
    assert [layer.inherits for layer in found if layer.files] == [
        "all 3 clusters of the fleet",
        "all 2 clusters of team-a",
        "each file for one cluster only",
    ]
    assert "the clusters of team-a in that environment" in {layer.inherits for layer in found}
