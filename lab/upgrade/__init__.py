"""The last release works while the database is migrated, then is replaced part by part."""
