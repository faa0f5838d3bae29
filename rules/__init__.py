"""What marketing may change, as data, and the pure code that reads and checks it."""
