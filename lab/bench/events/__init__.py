"""How the bot learns what happened: requests it takes, how many may wait, how fast it is told."""
