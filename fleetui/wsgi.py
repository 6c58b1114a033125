"""The entry point of a WSGI server, for those who run one."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleetui.settings")

application = get_wsgi_application()
