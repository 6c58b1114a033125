"""The settings under test: the embedded installation, quick and quiet, in a folder of its own."""

from __future__ import annotations

import os
import tempfile

os.environ["FLEETUI_EMBEDDED"] = "1"
os.environ.setdefault("FLEETUI_DATA", tempfile.mkdtemp(prefix="fleetui-tests-"))
# A test run must not reach the installation that the developer's shell may name.
for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY"):
    os.environ.pop(name, None)
    os.environ.pop(f"{name}_FILE", None)

from fleetui.settings import *  # noqa: E402, F403 - the environment must be set first

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    # No manifest: a test of a page needs no collected static files.
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
CELERY_TASK_ALWAYS_EAGER = False
