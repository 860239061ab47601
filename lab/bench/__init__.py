"""Our server compared with its peers, on one machine and one database: `make bench`."""
