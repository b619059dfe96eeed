"""Runs one Python function: what `/var/runtime/bootstrap.py` is on Lambda.

Arguments: the folders that the interpreter keeps its packages in, from which the ones that Lambda brings along are lent.
Written for Python 3.8 and later. Nothing here imports more than it needs, because every import delays a cold start.
"""

if __name__ == "__main__":
    from _albacore import main

    main.run()
