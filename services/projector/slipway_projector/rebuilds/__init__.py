"""The tables made anew from the log, beside those in use, and compared with them."""
