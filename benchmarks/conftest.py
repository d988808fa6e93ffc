"""What pytest leaves alone here: `peers/` runs in an environment of its own, by its own script."""

collect_ignore = ["peers"]
