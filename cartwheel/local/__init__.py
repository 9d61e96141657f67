"""The embedded services: real servers from wheels, under `.local/`, bound to 127.0.0.1."""
