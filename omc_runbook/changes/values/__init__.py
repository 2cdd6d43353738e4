"""New values: taken, made, judged and tried."""
