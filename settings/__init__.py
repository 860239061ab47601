"""Settings: read once from the environment and `.env`, typed, immutable, with defaults that run.

A field's environment name is its name in capitals.
"""

from settings.fields import (
    ENGINES,
    LIMIT_THREADS,
    PROBE_THREADS,
    PROVIDERS,
    QUICK_THREADS,
    READ_THREADS,
    WEBHOOK_THREADS,
    Settings,
)
from settings.reading import SANDBOX_FILE, SettingsError, described, find_sandbox, load, read
from settings.rules import configured, engine_configured, missing_for_production

__all__ = [
    "ENGINES",
    "LIMIT_THREADS",
    "PROBE_THREADS",
    "PROVIDERS",
    "QUICK_THREADS",
    "READ_THREADS",
    "SANDBOX_FILE",
    "WEBHOOK_THREADS",
    "Settings",
    "SettingsError",
    "configured",
    "described",
    "engine_configured",
    "find_sandbox",
    "load",
    "missing_for_production",
    "read",
]
