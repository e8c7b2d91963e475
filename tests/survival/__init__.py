"""What a sector survives: kills, lost answers, outages and bad input. The worker runs as the program that it is."""
