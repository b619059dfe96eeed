"""The Python runtime of albacore. Submodules that a good start does not need are imported when they are needed."""
