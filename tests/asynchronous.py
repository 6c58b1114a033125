"""Running what is asynchronous in tests that are not."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

Result = TypeVar("Result")


def run(work: Coroutine[object, object, Result]) -> Result:
    """Its result; the thread that met the database for it keeps no session open.

    Django runs what blocks in one thread that outlives the loop. A session left in it keeps
    PostgreSQL from dropping the tests' database.
    """

    async def and_close() -> Result:
        try:
            return await work
        finally:
            await sync_to_async(connections.close_all)()

    return asyncio.run(and_close())
