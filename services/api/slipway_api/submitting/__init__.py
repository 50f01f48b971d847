"""Commands on their way into the log: who asks, under which id, what they hold, after which decision."""
