"""Real components for the integration suite: installed from package registries, started on free ports.

Only the standard library is used here, so that `python3 -m parts install` works before anything is installed.
Nothing is written into the clone: everything goes below `cache.root()`.
"""
