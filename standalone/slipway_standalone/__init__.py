"""The whole platform on one machine, under supervisord."""
