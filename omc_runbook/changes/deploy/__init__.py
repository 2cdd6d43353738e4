"""New tasks for every consumer, watched until they prove the change."""
