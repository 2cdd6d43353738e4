"""New tasks for every consumer, watched until they are verified."""
