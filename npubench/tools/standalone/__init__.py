"""Scripts that the Python of a tool's environment runs by their path; they import nothing of npubench."""
