"""Hooks and what is known of them: written, checked, outlined, traced, what each has changed."""
