"""Running programs on this machine: processes, workers, environments, and the logs they leave."""
