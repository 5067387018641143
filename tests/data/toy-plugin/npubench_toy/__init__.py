"""A toy: the least that a backend of another package needs."""
