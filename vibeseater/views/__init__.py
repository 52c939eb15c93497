"""Views: what is seen in notebooks and dashboards. State in plain param classes, and Viewer classes that show it.

Nothing is imported here, so that the parts without Panel can be used without it.
"""
