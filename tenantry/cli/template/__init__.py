"""What `tenantry init` writes."""
