"""What is measured: that all of it is there, that it is right, and that its page says so."""
