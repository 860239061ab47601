"""What is done after a disaster, rehearsed under load: `make restore-drill`."""
