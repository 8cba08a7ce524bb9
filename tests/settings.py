"""The settings of a test run. Importing them finds and starts the servers.

pytest-django reads the settings before any conftest, so that no fixture would be early enough.
"""

from __future__ import annotations

from tests.servers import find_servers
from tests.settings_static import *  # noqa: F403 - the same settings, but for what follows

DATABASES = find_servers().databases
