"""The local page: what the command line does with photos, masks and reports, for a browser on this machine alone.

The server holds the token and the files and imports no torch. Whatever decodes a picture or runs a network does so in
a process of its own (`worker`), which answers in JSON.
"""
