"""The types of sources that come with the package, one file each; `vibeseater.sources.registry` finds them by looking.

A type stands on the machinery beside this folder (base, HTTP client, mapping, …), and never on another type.
"""
