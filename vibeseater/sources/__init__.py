"""Where events come from: the types (`types/`), their registry, a polite HTTP client, the worker that runs a source."""
