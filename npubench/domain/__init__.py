"""What is asked and what happened: specs, records, failures, errors, and the seams between rooms."""
