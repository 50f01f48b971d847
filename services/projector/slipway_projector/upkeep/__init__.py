"""The log kept small: snapshots of what it says, and the truncation of what they hold."""
