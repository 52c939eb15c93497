"""Where events come from: one file a type, a registry, a polite HTTP client, and the worker that runs a source."""
