"""YAML as Go reads it, with its lines, and edited as text so that untouched bytes stay untouched."""
