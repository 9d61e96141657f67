"""From scores to a served release: lists and reasons, loading, verifying, switching, the API and its pages."""
