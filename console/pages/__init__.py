"""Pages, one module for each noun: they read what the services list, and call their rules."""
