"""Our server against its peers, on one machine and one database: `make bench`."""
