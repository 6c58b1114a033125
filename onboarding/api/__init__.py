"""The HTTP API: translates in, one call, translates out, as the pages do.

`requesting` and `reading` have the verbs, `schemas` what is sent and heard, `access` whose token it is and what that
reaches, `problems` how errors are said, `mount` the whole with its description. There is no
verb that decides on a change.
"""
