"""The entry point of uvicorn."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

from fleetui.bounds import BoundedRequests
from onboarding.management import memory

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleetui.settings")

application = BoundedRequests(get_asgi_application())
memory.settle()
