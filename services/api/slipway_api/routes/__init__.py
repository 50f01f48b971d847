"""The routes of `/v1`: each validates, calls one method of a service, and answers."""
