"""The rows of a team in one database, and how they go there and back."""
