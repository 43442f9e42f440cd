"""Serving: `server/` runs inside an instance and holds the model, `gateway` takes a call to an instance."""
