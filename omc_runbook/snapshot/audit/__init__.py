"""What an audit reads of an account besides the snapshot: identities, events, alarms, ages, and what is exposed."""
