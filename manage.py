#!/usr/bin/env python3
"""Django's command line here; `./fleet manage ...` calls it in the right environment."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command that the arguments name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleetui.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            "Django is not installed here. Use `./fleet manage ...`, which sets everything up."
        ) from error
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
