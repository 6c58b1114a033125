"""What programs ask and hear: the HTTP API and the commands of `manage.py` share it.

It is to them what forms and page objects are to pages: what was sent becomes an intent by the same
forms, rows become plain data, and nothing is decided here.
"""
