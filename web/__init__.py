"""HTTP: whatever happens to a request before and after the function of its operation."""

import warnings

# Before anything here imports connexion: it imports starlette's test client, which warns that it
# will need another HTTP library.
warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
