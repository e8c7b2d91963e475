"""What operators do from a terminal or through the manager: look at sectors and threads, and command them."""
