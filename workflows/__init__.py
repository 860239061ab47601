"""What joins tables and the outside: commit, call, commit. Never one inside the other."""
