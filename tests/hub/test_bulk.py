"""Many clusters at once by one CSV to a real hub: all that can be done is, and the rest says why."""

from __future__ import annotations

import csv
import io
import re
import time

from tests.hub.browsing import text_of
from tests.hub.harness import eventually
from tests.hub.product import House, only
from tests.hub.test_offboarding import deployed, files

PROBES = {"spoke-many-a": "probe-a", "spoke-many-b": "probe-b", "spoke-many-c": "probe-c"}
LATE, LATE_PROBE = "spoke-many-d", "probe-d"
PLACE = ("hub", "cluster", "tenant", "environment", "secret_name")


def table(*rows: tuple[str, str, str]) -> str:
    """A CSV with one line for each cluster, its probe and its environment; nothing else is on it."""
    pins = sorted({key for _, probe, _ in rows for key in only(probe)})
    lines = [",".join((*PLACE, *(pin.removeprefix("pin_") for pin in pins)))]
    for cluster, probe, environment in rows:
        place = ("hub", cluster, "tenant1", environment, f"fleet/{cluster}")
        lines.append(",".join((*place, *(only(probe).get(pin, "") for pin in pins))))
    return "\n".join(lines) + "\n"


def says(house: House, path: str, *words: str, seconds: float = 90) -> str:
    """Waits until the bulk's page says all these words; what it says then."""
    last = [""]

    def said() -> bool:
        last[0] = text_of(house.product.person("requester").get(path))
        return all(word in last[0] for word in words)

    try:
        eventually(said, f"{path} says {words}", seconds, pause=0.5)
    except Exception as error:
        error.add_note(last[0])
        raise
    return last[0]


def decide(house: House, path: str) -> None:
    """The other person approves all that is open, once."""
    house.product.person("approver").send(path, {"reason": "As agreed."}, having="digest")


def commits(house: House) -> list[str]:
    """The clusters that the commits since the last fetch are about, by the member files they add."""
    house.fleet.git("fetch", "--quiet", "origin")
    listed = house.fleet.git(
        "log", "--format=", "--diff-filter=A", "--name-only", "HEAD..origin/main"
    )
    found = re.findall(r"fleet-members/hub/(\S+)\.yaml", listed)
    return sorted(found)


def test_it_brings_many_clusters_to_the_hub_and_keeps_the_bad_line(
    house: House, measured: list[str]
) -> None:
    for cluster in (*PROBES, LATE):
        spoke = house.hub.new_spoke(cluster)
        house.hub.store_credentials(f"fleet/{cluster}", spoke.credentials)
    rows = [(cluster, probe, "prod") for cluster, probe in PROBES.items()]
    house.fleet.git("pull", "--quiet", "--ff-only", "origin", "main")
    before = files(house)
    answer = house.product.person("requester").send(
        "/bulk/register/",
        {"title": "Four spokes", "text": table(*rows, (LATE, LATE_PROBE, "No Such!"))},
        having="text",
    )
    path = answer.url.removeprefix(house.product.ports.web_url)
    said = says(house, path, "4 of 4 checked", "3 of 4 wait for approval", "1 cannot be done")
    assert "environment" in said
    assert files(house) == before, "nothing is written before it is approved"

    started = time.monotonic()
    decide(house, path)
    for cluster in PROBES:
        house.healthy(cluster, 180)
    measured.append(f"bulk of 3, from approval to all Healthy: {time.monotonic() - started:.1f} s")
    assert commits(house) == sorted(PROBES), "one commit for each"
    for probe in PROBES.values():
        assert deployed(house, probe) is not None
    assert house.fleet.applications(LATE) == set()
    assert house.fleet.cluster_secret(LATE) is None
    assert house.fleet.member_path(LATE) not in files(house)
    refused = house.product.person("requester").get(f"{path}refused.csv")
    assert [row["cluster"] for row in csv.DictReader(io.StringIO(refused))] == [LATE]

    # Only the line that was wrong is sent again; those that are done are not touched.
    done = files(house)
    correction = {"text": table((LATE, LATE_PROBE, "prod"))}
    house.product.person("requester").send(f"{path}correct/", correction, having="text")
    says(house, path, "4 of 4 checked", "1 of 4 waits for approval")
    decide(house, path)
    house.healthy(LATE, 180)
    after = files(house)
    assert {name: after[name] for name in done} == done
    assert all(LATE in name for name in after.keys() - done.keys())
