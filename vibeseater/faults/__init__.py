"""The fault drill: writers and watchers in processes of their own, faults among them, and a check of what became of it.

`vibeseater doctor --faults` runs it on throwaway embedded servers; the test suite runs the same processes and the same
check on servers and through proxies of its own. Nothing else in the package knows of it.
"""
