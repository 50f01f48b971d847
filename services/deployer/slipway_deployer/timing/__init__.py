"""When a deployment is looked at: wake-ups, deadlines, absences."""
