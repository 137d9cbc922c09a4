"""What every client must do, shown against the real service: the tests of each client, in its own language, on one stage."""
