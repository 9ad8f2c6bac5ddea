"""What lies in a run directory: who may write there, and how its logs and records are read."""
