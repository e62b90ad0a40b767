"""What Nuke and the worker agree on: jobs, events, cards, exit codes. Standard library only."""
