"""Archives: events as Parquet files by stream and day, verified before anything is purged, read as if still stored."""
