"""`make network-graphs`: graphs of networks that publishers name, built here with random weights and counted."""
