"""Observing: what the hubs say, kept, judged and told; and how they are told to look."""
