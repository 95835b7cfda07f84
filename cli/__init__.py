"""The ``kinefed`` command: thin, one small module a group."""
