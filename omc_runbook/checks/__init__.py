"""The checks: one module a family, one pure function a fault; a snapshot goes in, evidence comes out."""
