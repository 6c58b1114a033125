"""The settings under test: the embedded installation, quick and quiet, in a folder of its own."""

from __future__ import annotations

import os
import tempfile

os.environ["FLEETUI_EMBEDDED"] = "1"
# Goes away with this process.
_folder = tempfile.TemporaryDirectory(prefix="fleetui-tests-", ignore_cleanup_errors=True)
os.environ["FLEETUI_DATA"] = _folder.name
# A test run must not reach the installation that the developer's shell may name.
for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY"):
    os.environ.pop(name, None)
    os.environ.pop(f"{name}_FILE", None)
# `./fleet test services` starts these for the tests; see tests/engines.py.
for name in ("DATABASE_URL", "REDIS_URL"):
    if started := os.environ.get(f"TEST_{name}"):
        os.environ[name] = started

from fleetui.settings import *  # noqa: E402, F403 - the environment must be set first

if "TEST_DATABASE_URL" not in os.environ:
    # A file, not memory: threads and processes of a test meet in it as in the embedded product.
    DATABASES["default"]["TEST"] = {"NAME": f"{_folder.name}/test.sqlite3"}  # noqa: F405
else:
    # A test may stay in its transaction for as long as its machine needs.
    DATABASES["default"]["OPTIONS"].pop("options")  # noqa: F405
STATIC_ROOT.mkdir(exist_ok=True)  # noqa: F405 - whitenoise warns where it is missing
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Tests write rows past the services that say that something moved.
COUNTS_KEPT_SECONDS = 0
# A Helm on the developer's PATH would change what plans say; the tests of rendering name theirs.
HELM_COMMAND = ""
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    # No manifest: a test of a page needs no collected static files.
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
