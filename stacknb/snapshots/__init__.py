"""The state of a shell as a file: taken apart, kept for a resume, compared, its secrets masked."""
