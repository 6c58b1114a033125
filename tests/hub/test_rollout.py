"""A rollout on a real hub, with automated sync on: wave after wave, and back, and nobody else is touched."""

from __future__ import annotations

import re
from urllib.parse import urlencode, urljoin

import requests

from tests.hub.browsing import _Forms, text_of
from tests.hub.harness import Spoke, eventually
from tests.hub.product import House, only
from tests.hub.test_offboarding import files, identities

TITLE = "Add-ons to release1"


CLUSTER_INFO = only("probe-a") | {
    "pin_enable_cluster_info": "true",
    "pin_enable_probe_a": "false",
}


def joined(house: House, spoke: Spoke, entered: dict[str, str]) -> Spoke:
    """A healthy cluster on the default channel with one component."""
    house.hub.store_credentials(f"fleet/{spoke.name}", spoke.credentials)
    entered = entered | {"pin_addonsRelease": "default"}
    house.product.approve(house.product.register(spoke.name, environment="prod", **entered))
    house.healthy(spoke.name)
    return spoke


def channel(house: House, cluster: str) -> str:
    """The add-ons channel on the live cluster secret."""
    secret = house.fleet.cluster_secret(cluster) or {}
    return str(secret["metadata"]["labels"]["addonsRelease"])


def press(house: House, path: str, action: str) -> requests.Response:
    """The requester opens a page and presses the button that is sent by POST to `action`."""
    browser = house.product.person("requester")
    parser = _Forms()
    parser.feed(browser.get(path))
    form = next(
        one for one in parser.found if one.action == action and "csrfmiddlewaretoken" in one.names
    )
    answer = browser.session.post(urljoin(browser.address, action), form.values, timeout=60)
    assert answer.status_code == 200, text_of(answer.text)
    return answer


def ask(house: House, waves: str) -> str:
    """Previewed, asked for by one person, and approved as a whole by another one; its address."""
    query = urlencode(
        {
            "label": "addonsRelease",
            "source": "default",
            "target": "release1",
            "by": "list",
            "waves": waves,
            "soak": "0",
            "patience": "5",
            "title": TITLE,
        }
    )
    answer = press(house, f"/rollouts/new/?{query}", "/rollouts/new/")
    found = re.search(r"(/rollouts/\d+/)", answer.url)
    assert found, text_of(answer.text)[:3000]
    house.product.person("approver").send(found[1], {"reason": "As agreed."}, having="digest")
    return found[1]


def says(house: House, path: str, *words: str, seconds: float = 180) -> None:
    """Waits until the rollout's page says all these words."""
    last = [""]

    def said() -> bool:
        last[0] = text_of(house.product.person("requester").get(path))
        return all(word in last[0] for word in words)

    try:
        eventually(said, f"{path} says {words}", seconds, pause=0.5)
    except Exception as error:
        error.add_note(last[0])
        raise


def test_it_moves_wave_after_wave_and_goes_back_by_one_click(house: House) -> None:
    first = joined(house, house.hub.separate_spoke("spoke-wave-a"), CLUSTER_INFO)
    second = joined(house, house.hub.new_spoke("spoke-wave-b"), CLUSTER_INFO)
    joined(house, house.hub.new_spoke("spoke-bystander"), only("probe-c"))
    before, others = files(house), identities(house, "spoke-bystander")
    path = ask(house, f"{first.name}\n{second.name} @ 10m")

    says(house, path, f"Wave 2: {second.name}", "well and soak for 10 minutes")
    assert [channel(house, one.name) for one in (first, second)] == ["release1", "release1"]
    press(house, path, f"{path}revert/")
    says(house, path, "Reverted", "Every cluster is back in Git.")
    eventually(
        lambda: [channel(house, one.name) for one in (first, second)] == ["default", "default"],
        "both are back",
        120,
    )
    assert files(house) == before
    assert identities(house, "spoke-bystander") == others
