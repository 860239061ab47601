"""The program that does the jobs: its loop, its lease on a job, and what it does periodically."""
