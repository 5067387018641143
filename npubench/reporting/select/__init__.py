"""Which chip does a job: requirements, candidates, checks and their verdict."""
