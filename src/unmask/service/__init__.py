"""The web page and the HTTP service (extra `serve`): uploads in, verdicts out.

One process answers requests (`app`, `api`, `uploads`, `pages`) and keeps a queue in a database
(`queue`); its runner threads (`runner`) hand each file to a process of its own (`scans`), so that
no uploaded file is ever opened by the server itself. Several such processes may share a database
and a data folder.
"""
