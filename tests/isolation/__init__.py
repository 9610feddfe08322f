"""The proof: what must hold of tenants, looked for by drawn examples on a real server."""
