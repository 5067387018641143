"""The workspace on disk: results, artifacts, logs, and how files are written and hashed."""
