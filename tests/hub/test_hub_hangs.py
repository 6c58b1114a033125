"""A real hub that hangs for minutes: never falsely green, pages as quick as ever, and well again by itself."""

from __future__ import annotations

import time

from tests.hub.harness import eventually
from tests.hub.product import House
from tests.hub.test_hub_restored import rows_equal
from tests.hub.test_offboarding import joined

AWAY = 300.0
"""How long a hub hangs, in seconds: far longer than anything that is kept open for it."""
SAID = ("The hub has not answered since", "Nothing was heard of its hub for")
"""What the page says meanwhile; the second when it is five minutes."""
GREEN_AT_MOST = 45.0
"""How long the page may still say what the hub said, from when it hangs."""


def test_it_is_not_green_for_five_minutes_in_which_the_hub_hangs(
    house: House, measured: list[str]
) -> None:
    """Its connections stay open and nothing comes: no packet says that it is away."""
    settled = joined(house, "spoke-settled", "probe-a")
    slowest, last_green, looks = 0.0, 0.0, 0
    house.hub.processes.freeze("hub-apiserver")
    started = time.monotonic()
    try:
        while (since := time.monotonic() - started) < AWAY:
            asked = time.monotonic()
            page = house.product.cluster(house.fleet.name, settled.name)
            slowest = max(slowest, time.monotonic() - asked)
            looks += 1
            if page.state == "Healthy":
                last_green = since
            elif since > GREEN_AT_MOST:
                assert page.state == "Stale", (since, page)
                assert any(word in page.sentence for word in SAID), (since, page)
            time.sleep(1)
    finally:
        house.hub.processes.thaw("hub-apiserver")
    back = time.monotonic()
    house.healthy(settled.name)
    measured.append(
        f"hub that hangs for {AWAY:.0f} s: last green after {last_green:.0f} s, "
        f"slowest of {looks} pages {slowest:.2f} s, "
        f"green again {time.monotonic() - back:.1f} s after it went on"
    )
    assert last_green < GREEN_AT_MOST
    eventually(lambda: rows_equal(house), "the product has what the hub has", 60)
